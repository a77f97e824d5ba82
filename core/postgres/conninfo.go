package postgres

import (
	"slices"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// word is one word=value of a connection string.
type word struct{ name, value string }

// conninfo writes a connection string with every value quoted, as libpq and
// lib/pq read it.
func conninfo(words []word) string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	parts := make([]string, 0, len(words))
	for _, w := range words {
		parts = append(parts, w.name+"='"+quote.Replace(w.value)+"'")
	}
	return strings.Join(parts, " ")
}

// bareConninfo writes a connection string in the form of primary_conninfo
// and of what scripts get: no quotes, blanks and specials after a backslash.
func bareConninfo(words []word) string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`, " ", `\ `)
	parts := make([]string, 0, len(words))
	for _, w := range words {
		if w.value == "" {
			parts = append(parts, w.name+"=''")
			continue
		}
		parts = append(parts, w.name+"="+quote.Replace(w.value))
	}
	return strings.Join(parts, " ")
}

// libpqWords are the words of an authentication entry that libpq knows, in
// the order in which they are written.
func libpqWords(major int) []string {
	list := []string{"sslmode", "sslcompression", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl"}
	if has(major, crlDirectory) {
		list = append(list, "sslcrldir")
	}
	return append(list, "application_name", "krbsrvname", "gssencmode", "channel_binding", "target_session_attrs", "sslnegotiation")
}

// sslWords are the words of c that every libpq of that version accepts.
func sslWords(c config.Credentials, major int) []word {
	var out []word
	for _, name := range libpqWords(major) {
		if v, ok := c.SSL[name]; ok && (name != "sslnegotiation" || has(major, sslNegotiation)) {
			out = append(out, word{name, v})
		}
	}
	return out
}

// primaryConninfo is what a standby streams with.
func primaryConninfo(cfg config.Postgres, up cluster.Upstream, major int) string {
	c := cfg.Replication
	words := []word{{"dbname", database(cfg)}}
	if c.Username != "" {
		words = append(words, word{"user", c.Username})
	}
	switch {
	case c.HasPassword && cfg.PgPass != "":
		words = append(words, word{"passfile", cfg.PgPass})
	case c.HasPassword:
		words = append(words, word{"password", c.Password})
	}
	words = append(words, word{"host", up.Host}, word{"port", up.Ports()})
	defaults := map[string]string{
		"sslmode": "prefer", "application_name": cfg.Name, "gssencmode": "prefer", "channel_binding": "prefer",
	}
	if cfg.KrbSrvName != "" {
		defaults["krbsrvname"] = cfg.KrbSrvName
	}
	if up.Several() {
		defaults["target_session_attrs"] = "read-write"
	}
	if has(major, sslNegotiation) {
		defaults["sslnegotiation"] = "postgres"
	}
	for _, name := range libpqWords(major) {
		v, ok := c.SSL[name]
		if !ok || name == "application_name" {
			if v, ok = defaults[name]; !ok {
				continue
			}
		}
		if name != "sslnegotiation" || has(major, sslNegotiation) {
			words = append(words, word{name, v})
		}
	}
	return bareConninfo(words)
}

// clientWords are the words with which a program of PostgreSQL connects to
// up; the password comes from the password file.
func clientWords(dbname string, c config.Credentials, up cluster.Upstream, major int) []word {
	words := []word{{"dbname", dbname}}
	if c.Username != "" {
		words = append(words, word{"user", c.Username})
	}
	words = append(words, word{"host", up.Host}, word{"port", up.Ports()})
	if up.Several() {
		words = append(words, word{"target_session_attrs", "read-write"})
	}
	for _, w := range sslWords(c, major) {
		if w.name != "target_session_attrs" || !up.Several() {
			words = append(words, w)
		}
	}
	return words
}

// goWords are the words of an authentication entry that lib/pq knows. It
// would send others as run-time parameters, which the server refuses.
func goWords(c config.Credentials) []word {
	var out []word
	for _, name := range []string{"sslcert", "sslkey", "sslrootcert", "sslnegotiation"} {
		if v, ok := c.SSL[name]; ok {
			out = append(out, word{name, v})
		}
	}
	return out
}

// quoteValue writes a value for postgresql.conf.
func quoteValue(v string) string {
	return "'" + strings.NewReplacer("'", "''", `\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(v) + "'"
}

// localHost is the address under which a server with these listen_addresses
// is reached from its own host.
func localHost(listen string) string {
	var list []string
	for a := range strings.SplitSeq(listen, ",") {
		if a = strings.TrimSpace(a); a != "" {
			list = append(list, a)
		}
	}
	has := func(a string) bool { return slices.Contains(list, a) }
	switch {
	case has("127.0.0.1"), has("0.0.0.0"):
		return "127.0.0.1" // "localhost" may resolve to ::1, where somebody else listens
	case has("*"), has("localhost"), len(list) == 0:
		return "localhost"
	case list[0] == "::":
		return "::1"
	}
	return list[0]
}
