package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// Mask stands for a secret wherever configuration is shown.
const Mask = "********"

// secretKeys are ends of names whose values are never shown, nor what is below
// them.
var secretKeys = []string{"password", "passwd", "passphrase", "secret", "token", "apikey", "api_key", "access_key", "credentials", "ssl_passphrase_command"}

// secretMaps are mappings of which no value is shown.
var secretMaps = []string{"zookeeper.auth_data", "observability.tracing.headers", "restapi.http_extra_headers", "restapi.https_extra_headers"}

// secretPath reports whether the value at path may be a credential. A text
// in the place of a mapping of credentials most likely is user:password.
func secretPath(path string) bool {
	if slices.ContainsFunc(secretMaps, func(m string) bool { return inSection(path, m) }) {
		return true
	}
	if strings.HasPrefix(path, "plugins.") {
		return !plainOfPlugin(path)
	}
	parts := strings.Split(path, ".")
	if slices.Contains(parts, "authentication") {
		_, plain := secretFreeWords[parts[len(parts)-1]]
		return !plain
	}
	return slices.ContainsFunc(parts, secretName)
}

// secretName reports that what has that name is a credential.
func secretName(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	return name == "auth" || strings.HasSuffix(name, "_auth") ||
		slices.ContainsFunc(secretKeys, func(end string) bool { return strings.HasSuffix(name, end) })
}

// plainPluginKeys are the keys of a plugin's entry that may be shown. Arguments
// and environment are how programs are given their credentials.
var plainPluginKeys = []string{"type", "path", "sha256", "start_timeout", "call_timeout", "nice", "io_class", "io_level", "memory"}

// plainSettings are settings of the shipped plugins that may be shown. What is
// a secret among those of others, only they know; command lines, addresses and
// what is inside a setting may hold one anywhere.
var plainSettings = []string{
	"stanza", "config", "delta", "sockets", "backend", "timeout", "actions", "retry", "keep_data", "no_params", "no_leader", "primary_word",
}

// plainOfPlugin reports that the value at path, below plugins, may be shown.
// Items of a list have the list's path.
func plainOfPlugin(path string) bool {
	if _, setting, found := strings.Cut(path, ".settings."); found {
		return slices.Contains(plainSettings, setting)
	}
	return slices.Contains(plainPluginKeys, path[strings.LastIndexByte(path, '.')+1:])
}

// secretFreeWords are the words of a credential that may be shown.
var secretFreeWords = func() map[string]bool {
	out := map[string]bool{}
	for name := range strings.FieldsSeq(authWords) {
		if !strings.HasSuffix(name, "password") {
			out[name] = true
		}
	}
	return out
}()

// secretWords are words that a secret follows.
const secretWords = `(?:password|passwd|passphrase|secrets?|token|api[_-]?key|access[_-]?key)`

// Secrets inside text: words of connection strings, options and assignments
// of command lines, and the user part of URLs. In a row of pg_hba.conf quotes
// may stand around the whole option: all that follows is left out.
var (
	secretWord   = regexp.MustCompile(`(?i)(` + secretWords + `)(\s*[=:]\s*|\s+)('(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|(?:[^\s'"\\]|\\.)+)`)
	secretURL    = regexp.MustCompile(`(://[^/\s:@]*):[^/\s@]+@`)
	secretHBA    = regexp.MustCompile(`(?i)((?:radiussecrets|ldapbindpasswd)\s*=)[^\n]+`)
	secretOption = regexp.MustCompile(`(?i)^-.*` + secretWords + `$`)
)

// maskText replaces what looks like a secret inside a text.
func maskText(s string) string {
	s = secretHBA.ReplaceAllString(s, "${1}"+Mask)
	s = secretWord.ReplaceAllString(s, "${1}${2}"+Mask)
	return secretURL.ReplaceAllString(s, "${1}:"+Mask+"@")
}

// maskedName is the name of an entry of the mapping at path as it may be shown:
// a principal can hold a password.
func maskedName(path, name string) string {
	if path != "zookeeper.set_acls" {
		return name
	}
	scheme, id, _ := strings.Cut(name, ":")
	if scheme == "x509" || strings.Contains(scheme, "=") {
		return name // the subject of a certificate
	}
	if user, _, found := strings.Cut(id, ":"); found && scheme != "ip" {
		return scheme + ":" + user + ":" + Mask
	}
	return name
}

// masked returns v, which stands at path, as it may be shown. v itself is not
// changed.
func masked(path string, v any) any {
	switch v := v.(type) {
	case *cluster.Object:
		o := &cluster.Object{}
		for name, sub := range v.All() {
			o.Set(maskedName(path, name), masked(join(path, name), sub))
		}
		return o
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = masked(path, v[i])
			if i > 0 && isSecretOption(v[i-1]) {
				list[i] = Mask
			}
		}
		return list
	case nil:
		return nil
	case string:
		if secretPath(path) {
			return Mask
		}
		return maskText(v)
	}
	if secretPath(path) {
		return Mask
	}
	return v
}

// isSecretOption reports that the next item of a list is a secret, as in
// --token, value.
func isSecretOption(item any) bool {
	option, ok := item.(string)
	return ok && secretOption.MatchString(option)
}
