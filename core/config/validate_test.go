package config

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// host is a directory with programs and a parent for data directories.
type host struct{ root, bin, data string }

func newHost(t *testing.T) host {
	t.Helper()
	root := t.TempDir()
	h := host{root, filepath.Join(root, "15", "bin"), filepath.Join(root, "data")}
	if err := os.MkdirAll(h.bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range append([]string{"pg_rewind"}, programs...) {
		if err := os.WriteFile(filepath.Join(h.bin, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h host) load(t *testing.T, more string) *Local {
	t.Helper()
	l, _ := mustLoad(t, fmt.Sprintf(`scope: main
name: n1
restapi: {listen: "127.0.0.1:8008"}
zookeeper: {hosts: "127.0.0.1"}
postgresql: {listen: "127.0.0.1:5432", data_dir: %s, pgpass: %s, bin_dir: %s%s}
`, h.data, filepath.Join(h.root, "pgpass"), h.bin, more), "PATH=/nowhere")
	return l
}

func TestValidate(t *testing.T) {
	mkdir := func(t *testing.T, path string) {
		t.Helper()
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		more string
		prep func(t *testing.T, h *host)
		want string // "" or a part of the only finding
	}{
		{"all is well", "", nil, ""},
		{"an empty data directory", "", func(t *testing.T, h *host) { mkdir(t, h.data) }, ""},
		{"a program is missing", "", func(t *testing.T, h *host) { _ = os.Remove(h.bin + "/pg_isready") }, "15/bin\": has no pg_isready; install"},
		{"pg_rewind is not needed", "", func(t *testing.T, h *host) { _ = os.Remove(h.bin + "/pg_rewind") }, ""},
		{"pg_rewind is needed", ", use_pg_rewind: true", func(t *testing.T, h *host) { _ = os.Remove(h.bin + "/pg_rewind") }, "has no pg_rewind"},
		{"no log directory", "}\nlog: {dir: /no/such/dir", nil, `log.dir: "/no/such/dir": cannot be looked at: no such file or directory`},
		{"another name", ", bin_name: {postgres: pg15}", nil, "has no pg15"},
		{"no bin_dir", "", func(t *testing.T, h *host) { h.bin = "/no/such/15/bin" }, `postgresql.bin_dir: "/no/such/15/bin": does not exist`},
		{"relative", "", func(t *testing.T, h *host) { h.data = "data" }, "is not an absolute path: /"},
		{"no parent", "", func(t *testing.T, h *host) { h.data = h.root + "/a/b" }, "/a does not exist; create it"},
		{"a file", "", func(t *testing.T, h *host) { h.data = h.bin + "/initdb" }, "is not a directory"},
		{"foreign files", "", func(t *testing.T, h *host) { mkdir(t, h.data+"/x") }, "has no PG_VERSION"},
		{"another version", "", func(t *testing.T, h *host) {
			mkdir(t, h.data)
			if err := os.WriteFile(h.data+"/PG_VERSION", []byte("14\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "is PostgreSQL 15, but the data directory"},
		{"pgpass is a directory", "", func(t *testing.T, h *host) { mkdir(t, h.root+"/pgpass") }, "exists and is not a file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			if tt.prep != nil {
				tt.prep(t, &h)
			}
			var got []string
			for _, f := range h.load(t, tt.more).Validate() {
				if !strings.Contains(f.Message, "running as root") {
					got = append(got, f.String())
				}
			}
			if tt.want == "" && len(got) == 0 || len(got) == 1 && strings.Contains(got[0], tt.want) {
				return
			}
			t.Errorf("got %q, want %q", got, tt.want)
		})
	}
}

func TestValidatePorts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	l := newHost(t).load(t, "")
	l.RESTAPI.Listen = taken.Addr().String()
	find := func(findings []Finding) bool {
		for _, f := range findings {
			if f.Key == "restapi.listen" && strings.Contains(f.Message, "address already in use") {
				return true
			}
		}
		return false
	}
	if find(l.Validate()) || !find(l.Validate(PortsFree)) {
		t.Error("a used port must be told exactly when PortsFree is asked for")
	}
}

// TestFindBinDir needs an installed package of a server.
func TestFindBinDir(t *testing.T) {
	dirs, _ := filepath.Glob(packageDirs[0])
	if len(dirs) == 0 {
		t.Skip("no PostgreSQL package of this layout is installed")
	}
	h := newHost(t)
	p := Postgres{DataDir: h.data}
	if got := findBinDir(p, h.bin); got != "" {
		t.Errorf("all programs are on PATH, got %q", got)
	}
	got := findBinDir(p, "/nowhere")
	if majorOf(got) == 0 || len(missingPrograms(Postgres{BinDir: got}, "")) > 0 {
		t.Errorf("got %q", got)
	}
	if err := os.MkdirAll(h.data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.data, "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := findBinDir(p, "/nowhere"); got != "" {
		t.Errorf("no package of that version exists, got %q", got)
	}
}

func TestUnfinishedDataDirectoryIsNoError(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "data")
	if unfinished(dir) {
		t.Error("a directory without the mark counts as unfinished")
	}
	if err := os.WriteFile(filepath.Join(base, ".data.incomplete"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !unfinished(dir + "/") {
		t.Error("the mark of an interrupted copy is not seen")
	}
}

func TestValidateZooKeeper(t *testing.T) {
	up, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	down, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = down.Close()
	l := newHost(t).load(t, "")
	l.ZooKeeper.Hosts = []string{up.Addr().String(), down.Addr().String()}
	var told []string
	for _, f := range l.Validate(ZooKeeperAnswers) {
		if f.Key == "zookeeper.hosts" {
			told = append(told, f.Value)
		}
	}
	if len(told) != 1 || !strings.Contains(told[0], down.Addr().String()) {
		t.Errorf("got %q, want the server that is down only", told)
	}
}
