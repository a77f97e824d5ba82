package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// minimal is the least that Load accepts.
const minimal = `scope: main
name: n1
restapi: {listen: "127.0.0.1:8008"}
zookeeper: {hosts: "127.0.0.1"}
postgresql: {listen: "127.0.0.1:5432", data_dir: /data/n1}
`

// write puts text into a file named c.yml in a new directory.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// mustLoad loads text with the environment and fails on errors.
func mustLoad(t *testing.T, text string, environ ...string) (*Local, []Finding) {
	t.Helper()
	l, findings, err := Load(write(t, text), environ)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return l, findings
}

// lines returns findings as text, with the directory cut off the file names.
func lines(findings []Finding) string {
	var b strings.Builder
	for _, f := range findings {
		if filepath.IsAbs(f.File) {
			f.File = filepath.Base(f.File)
		}
		b.WriteString(f.Severity.String() + ": " + f.String() + "\n")
	}
	return b.String()
}

// TestFindings loads each testdata/*.yml and compares the findings with the
// golden file beside it. A first line "#env A=b" gives the environment.
func TestFindings(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var environ []string
			for line := range strings.Lines(string(text)) {
				if v, ok := strings.CutPrefix(line, "#env "); ok {
					environ = append(environ, strings.TrimSpace(v))
				}
			}
			_, findings, err := Load(file, environ)
			got := lines(findings)
			if (err != nil) != strings.Contains(got, "error: ") {
				t.Errorf("error %v does not fit the findings", err)
			}
			if strings.Contains(got, "s3cret") || err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("a secret is shown:\n%s", got)
			}
			compareGolden(t, strings.TrimSuffix(file, ".yml")+".golden", got)
		})
	}
}

func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("findings differ (-want +got):\n%s", diff)
	}
}

func TestErrorListsAllErrors(t *testing.T) {
	_, _, err := Load(write(t, "scope: main\nname: n1\n"), nil)
	var invalid *InvalidError
	if !errors.As(err, &invalid) || len(invalid.Findings) != 4 {
		t.Fatalf("got %v, want an InvalidError with 4 findings", err)
	}
	for _, key := range []string{"restapi.listen", "zookeeper.hosts", "postgresql.listen", "postgresql.data_dir"} {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("%s is missing in:\n%v", key, err)
		}
	}
}

func TestSampleLoads(t *testing.T) {
	l, findings := mustLoad(t, string(Sample()))
	if len(findings) > 0 {
		t.Errorf("the sample has findings:\n%s", lines(findings))
	}
	if _, warnings := l.Postgres(l.Bootstrap.DCS); len(warnings) > 0 {
		t.Errorf("the sample has warnings: %q", warnings)
	}
}

// TestPackagedSample keeps the packaged file the same as Sample.
func TestPackagedSample(t *testing.T) {
	compareGolden(t, "../../packaging/pgregent.sample.yml", string(Sample()))
}

func FuzzLoad(f *testing.F) {
	f.Add(minimal)
	f.Add(string(Sample()))
	f.Add("a: &a {<<: *a}\n")
	f.Add("a: &a [*a]\nb: !!binary x\n? {x: 1}\n: 2\n")
	f.Add("tags: {a: 1__0, b: 0x_, c: 1:2, d: 0b}\n")
	f.Add("postgresql:\n  parameters: [1]\n  basebackup: [{a: 1, b: 2}, ---]\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, _, err := Load("", []string{"PATRONI_CONFIGURATION=" + text})
		if err == nil {
			_, _ = l.Postgres(nil)
		}
		_, _, _ = Load("", []string{"PATRONI_ZOOKEEPER_HOSTS=" + text, "PATRONI_RESTAPI_LISTEN=" + text})
	})
}
