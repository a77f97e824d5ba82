package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// Mask stands for a secret wherever configuration is shown.
const Mask = "********"

// secretKeys are last parts of paths whose values are never shown.
var secretKeys = []string{"password", "keyfile_password", "key_password", "sslpassword", "auth", "token", "secret"}

// secretPath reports whether the value at path may be a credential. A text
// in the place of a mapping of credentials most likely is user:password.
func secretPath(path string) bool {
	if strings.HasPrefix(path, "zookeeper.auth_data") || strings.HasPrefix(path, "observability.tracing.headers") {
		return true
	}
	if strings.HasPrefix(path, "plugins.") && strings.Contains(path, ".settings.") {
		return !plainSetting(path)
	}
	last := path[strings.LastIndexByte(path, '.')+1:]
	if strings.Contains(path, "authentication") {
		_, ssl := secretFreeWords[last]
		return !ssl
	}
	for _, s := range secretKeys {
		if strings.EqualFold(last, s) || strings.HasSuffix(strings.ToLower(last), "_"+s) {
			return true
		}
	}
	return false
}

// plainSettings are settings of the shipped plugins that may be shown. What is
// a secret among those of others, only they know.
var plainSettings = []string{
	"stanza", "config", "command", "delta", "args", "sockets", "backend", "servers", "timeout", "url", "actions", "retry",
	"callback", "keep_data", "no_params", "no_leader", "primary_word",
}

// plainSetting reports that the setting at path may be shown; of lists and
// mappings the setting is meant that they are the value of.
func plainSetting(path string) bool {
	_, key, _ := strings.Cut(path, ".settings.")
	if i := strings.IndexAny(key, ".["); i >= 0 {
		key = key[:i]
	}
	return slices.Contains(plainSettings, key)
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

// Secrets inside text: words of connection strings, options and assignments
// of command lines, and the user part of URLs.
var (
	secretWord = regexp.MustCompile(`(?i)(password|passwd|passphrase|secret|token|api_?key|access_?key)(\s*[=:]\s*|\s+)('(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*"|(?:[^\s'"\\]|\\.)+)`)
	secretURL  = regexp.MustCompile(`(://[^/\s:@]*):[^/\s@]+@`)
)

// maskText replaces what looks like a secret inside a text.
func maskText(s string) string {
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
