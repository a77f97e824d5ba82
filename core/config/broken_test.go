package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// brokenBase is a configuration without findings; each case is patched over
// it, as the second file of a directory.
const brokenBase = `scope: main
name: n1
restapi: {listen: "127.0.0.1:8008"}
zookeeper: {hosts: "127.0.0.1"}
bootstrap: {dcs: {ttl: 30}}
postgresql:
  listen: 127.0.0.1:5432
  data_dir: /data/n1
  authentication: {replication: {username: r, password: s3cret}}
`

// TestBroken reads testdata/broken.txt: cases that begin with "== name", the
// file, and after a line "%%" what is told about it. Lines "#env A=b" give
// the environment.
func TestBroken(t *testing.T) {
	const file = "testdata/broken.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cases := strings.Split(string(text), "== ")[1:]
	if len(cases) < 60 {
		t.Errorf("%d cases, want 60 at least", len(cases))
	}
	seen := map[string]string{}
	for _, c := range cases {
		name, rest, _ := strings.Cut(c, "\n")
		fragment, _, _ := strings.Cut(rest, "%%\n")
		got := brokenFindings(t, fragment)
		switch {
		case got == "":
			t.Errorf("%s: nothing is told", name)
		case seen[got] != "":
			t.Errorf("%s is the same as %s", name, seen[got])
		case strings.Contains(got, "s3cret"):
			t.Errorf("%s: a secret is shown:\n%s", name, got)
		}
		seen[got] = name
		out.WriteString("== " + name + "\n" + fragment + "%%\n" + got)
	}
	compareGolden(t, file, out.String())
}

func brokenFindings(t *testing.T, fragment string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"1.yml": brokenBase, "2.yml": fragment} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var environ []string
	for line := range strings.Lines(fragment) {
		if v, ok := strings.CutPrefix(line, "#env "); ok {
			environ = append(environ, strings.TrimSpace(v))
		}
	}
	_, findings, err := Load(dir, environ)
	told := lines(findings)
	if (err != nil) != strings.Contains(told, "error: ") {
		t.Errorf("error %v does not fit the findings\n%s", err, told)
	}
	return strings.ReplaceAll(told, filepath.Base(dir), "DIR")
}
