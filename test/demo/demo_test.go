package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/config"
)

// newDemo is a demonstration in a new directory, with everything chosen and
// nothing started.
func newDemo(t *testing.T) (*demo, *state) {
	t.Helper()
	root := t.TempDir()
	d := &demo{root: root, dir: filepath.Join(root, ".demo"), out: &bytes.Buffer{}}
	s, err := d.prepare()
	if err != nil {
		t.Fatal(err)
	}
	return d, s
}

func TestNodeConfigurationHasNoFindings(t *testing.T) {
	d, s := newDemo(t)
	for _, n := range s.Nodes {
		if err := d.writeNode(s, n); err != nil {
			t.Fatal(err)
		}
		l, findings, err := config.Load(n.Config, nil)
		if err != nil || len(findings) > 0 {
			t.Fatalf("%v, %v", err, findings)
		}
		p, warnings := l.Postgres(l.Bootstrap.DCS)
		if len(warnings) > 0 || p.DataDir != n.DataDir || "http://"+l.RESTAPI.Listen != n.REST || l.ZooKeeper.Hosts[0] != s.ZooKeeper.Address {
			t.Errorf("%q, %+v, %+v", warnings, p, l)
		}
	}
}

func TestPortsDiffer(t *testing.T) {
	_, s := newDemo(t)
	seen := map[string]bool{s.ZooKeeper.Address: true}
	for _, n := range s.Nodes {
		for _, a := range []string{n.SQL, strings.TrimPrefix(n.REST, "http://")} {
			if seen[a] {
				t.Errorf("%s is used twice", a)
			}
			seen[a] = true
		}
	}
	if s.HAProxy.ReadOnly == s.HAProxy.ReadWrite {
		t.Error("HAProxy has one port for both")
	}
}

func TestHAProxyConfiguration(t *testing.T) {
	haproxy, err := lookPath("haproxy", "/usr/sbin/haproxy")
	if err != nil {
		t.Skip("HAProxy is not installed")
	}
	_, s := newDemo(t)
	env, err := haproxyEnv(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), haproxy, "-c", "-f", "../../packaging/haproxy/haproxy.cfg")
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestStateKeepsProcesses(t *testing.T) {
	d, s := newDemo(t)
	s.Nodes[1].process = process{Pid: os.Getpid(), Started: startTime(os.Getpid())}
	if err := d.save(s); err != nil {
		t.Fatal(err)
	}
	got, err := d.load()
	if err != nil || !got.running() || got.Nodes[1].process != s.Nodes[1].process {
		t.Fatalf("got %+v, %v", got, err)
	}
	got.Nodes[1].Started = "1"
	if got.running() {
		t.Error("another process with the same number is taken for ours")
	}
}

func TestStartAndEnd(t *testing.T) {
	d, _ := newDemo(t)
	p, err := d.start(command{name: "stubborn", dir: d.dir, args: []string{"sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.signal(syscall.SIGKILL) })
	err = d.wait(t.Context(), 10*time.Second, "its output", func() (bool, error) {
		text, err := os.ReadFile(d.logFile("stubborn"))
		return strings.Contains(string(text), "ready"), err
	})
	if err != nil {
		t.Fatal(err)
	}
	if sid, err := syscall.Getpgid(p.Pid); err != nil || sid != p.Pid {
		t.Errorf("it is in process group %d, %v; want its own", sid, err)
	}
	end(p, 100*time.Millisecond, syscall.SIGTERM)
	if p.alive() {
		t.Error("it still runs")
	}
	if err := d.ended("stubborn"); !strings.Contains(err.Error(), "ready") {
		t.Errorf("got %v", err)
	}
}

func TestComplete(t *testing.T) {
	leader, standby := member{"a", "leader", "running"}, member{"b", "replica", "streaming"}
	tests := []struct {
		name string
		list []member
		want bool
	}{
		{"all", []member{leader, standby, standby}, true},
		{"one standby is missing", []member{leader, standby}, false},
		{"one standby does not stream", []member{leader, standby, {"c", "replica", "running"}}, false},
		{"no leader", []member{standby, standby, standby}, false},
		{"the leader starts", []member{{"a", "leader", "starting"}, standby, standby}, false},
	}
	for _, tt := range tests {
		if got := complete(tt.list); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}

func TestPostmasterOfNobody(t *testing.T) {
	dir := t.TempDir()
	if p := postmaster(dir); p.Pid != 0 {
		t.Errorf("got %+v", p)
	}
	// This test's process has another working directory.
	if err := os.WriteFile(filepath.Join(dir, "postmaster.pid"), []byte("1\n/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if p := postmaster(dir); p.Pid != 0 {
		t.Errorf("got %+v", p)
	}
}
