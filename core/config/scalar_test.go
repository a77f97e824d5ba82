package config

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgregent/pgregent/core/cluster"
)

// TestYAML11 has the values that differ between YAML 1.1 and 1.2.
func TestYAML11(t *testing.T) {
	tests := map[string]any{
		"on": true, "Off": false, "yes": true, "NO": false, "True": true, "y": "y", "oN": "oN",
		"0644": json.Number("420"), "0x1F": json.Number("31"), "0b11": json.Number("3"), "1_000": json.Number("1000"),
		"-017": json.Number("-15"), "+5": json.Number("5"), "0": json.Number("0"), "09": "09", "0o17": "0o17",
		"12:30": json.Number("750"), "1:61": "1:61", "127.0.0.1:5432": "127.0.0.1:5432",
		"1.5": json.Number("1.5"), "1.": json.Number("1.0"), "1e3": "1e3", "1.0e+3": json.Number("1000.0"), "1.0e3": "1.0e3", ".inf": ".inf",
		"~": nil, "null": nil, "": nil, "'on'": "on", `"1"`: "1", "2020-01-01": "2020-01-01", "!!str 1": "1", "!!int 010": json.Number("8"),
	}
	for text, want := range tests {
		doc := parseYAML("f", []byte("k: "+text+"\n"))
		if diff := cmp.Diff(want, doc.root.Get("k")); diff != "" || len(doc.findings) > 0 {
			t.Errorf("%s (-want +got):\n%s\n%v", text, diff, doc.findings)
		}
	}
}

func TestYAMLStructure(t *testing.T) {
	tests := map[string]string{
		"z: 1\na: 2\n":                                 `{"z":1,"a":2}`,
		"a: {x: 1}\na: {y: 2}\n":                       `{"a":{"y":2}}`,
		"b: &b {x: 1, y: 2}\nc: {y: 3, <<: *b}\n":      `{"b":{"x":1,"y":2},"c":{"x":1,"y":3}}`,
		"l: [&p {x: 1}, &q {x: 2}]\nm: {<<: [*p, *q]}": `{"l":[{"x":1},{"x":2}],"m":{"x":1}}`,
		"1: a\non: b\n":                                `{"1":"a","True":"b"}`,
		"t: |\n  on\n":                                 `{"t":"on\n"}`,
	}
	for text, want := range tests {
		doc := parseYAML("f", []byte(text))
		if got := doc.root.String(); got != want || hasErrors(doc.findings) {
			t.Errorf("%q: got %s, want %s, %v", text, got, want, doc.findings)
		}
	}
}

func TestAddresses(t *testing.T) {
	tests := []struct {
		in    string
		def   int
		hosts string
		port  int
		ok    bool
	}{
		{"a:1", 0, "a", 1, true},
		{"a,b:5433", 5432, "a,b", 5433, true},
		{"a", 5432, "a", 5432, true},
		{"a", 0, "", 0, false},
		{"[::1]", 5432, "[::1]", 5432, true},
		{"[::1]:7", 5432, "[::1]", 7, true},
		{"a:0", 5432, "", 0, false},
		{"a:65536", 5432, "", 0, false},
		{"a:x", 5432, "", 0, false},
	}
	for _, tt := range tests {
		hosts, port, err := splitAddress(tt.in, tt.def)
		if hosts != tt.hosts || port != tt.port || (err == nil) != tt.ok {
			t.Errorf("%s: got %q, %d, %v", tt.in, hosts, port, err)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	for _, path := range []string{
		"postgresql.authentication", "postgresql.authentication.superuser", "restapi.authentication.password",
		"restapi.keyfile_password", "zookeeper.auth_data", "zookeeper.auth_data.digest", "restapi.auth",
	} {
		if got := shown(path, "x"); got != "" {
			t.Errorf("%s is shown as %s", path, got)
		}
	}
	if got := shown("restapi.listen", cluster.Text("a:1")); got != `"a:1"` {
		t.Errorf("got %s", got)
	}
}
