package config

import (
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/pgregent/pgregent/core/cluster"
)

// FuzzScalar: what writeYAML writes reads back as the same text, whatever it
// looks like.
func FuzzScalar(f *testing.F) {
	for _, s := range []string{"on", "0644", "12:30", "1e3", "~", "a: b", "- x", "'q'", "#c", "<<", "*a", "&a", "!t", " x ", "a\nb", "%", "é", "1_000", "0x_", "2020-01-01", ".5", "=", "?", "\t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || strings.ContainsAny(s, "\r\u0085\u2028\u2029\ufeff") || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }) {
			return
		}
		o := &cluster.Object{}
		o.Set("a", s)
		o.Set("list", []any{s})
		text := writeYAML(o, yamlWriter{})
		doc := parseYAML("x", text)
		if got := doc.root.Get("a"); got != s || len(doc.findings) > 0 {
			t.Errorf("%q is written as %q and reads as %#v %v", s, text, got, doc.findings)
		}
		var other map[string]any // by the rules of YAML 1.2
		if err := yaml.Unmarshal(text, &other); err != nil || other["a"] != s {
			t.Errorf("%q is written as %q and reads as %#v %v elsewhere", s, text, other["a"], err)
		}
	})
}

// FuzzVariable: no value of a variable does more than set its own key.
func FuzzVariable(f *testing.F) {
	f.Add("h1:2181,h2")
	f.Add("- a\n- b")
	f.Add("{a: b")
	f.Add("a]: [b")
	f.Fuzz(func(t *testing.T, s string) {
		for _, name := range []string{"PATRONI_ZOOKEEPER_HOSTS", "PATRONI_ZOOKEEPER_AUTH_DATA", "PATRONI_ZOOKEEPER_SET_ACLS", "PATRONI_LOG_FORMAT", "PATRONI_LOG_MODE", "PATRONI_CTL_INSECURE", "PGREGENT_POSTGRESQL_BASEBACKUP"} {
			doc := newDocument("")
			doc.overlay([]string{name + "=" + s}, name[:strings.IndexByte(name, '_')+1])
			if doc.root.Len() > 1 {
				t.Errorf("%s=%q sets %v", name, s, doc.root)
			}
			if s != "" && doc.root.Len() == 0 && len(doc.findings) == 0 {
				t.Errorf("%s=%q is neither used nor told", name, s)
			}
		}
	})
}

// FuzzMask: a password after its key word is never shown.
func FuzzMask(f *testing.F) {
	f.Add("s3cret")
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) < 4 || strings.ContainsAny(s, " \t\n\r\v\f'\"\\") || !utf8.ValidString(s) || strings.Contains("password=user host", s) || strings.Contains(Mask, s) {
			return
		}
		if got := maskText("user=x password=" + s + " host=y"); strings.Contains(got, s) {
			t.Errorf("%q shows the password", got)
		}
	})
}
