package e2e

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// refuses starts a node and expects it to end with 1 and to say all of texts.
func refuses(t *testing.T, n *lab.Node, texts ...string) {
	t.Helper()
	n.Start()
	if code := n.WaitExit(20 * time.Second); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	for _, text := range texts {
		if !strings.Contains(n.Log(), text) {
			t.Errorf("the log does not say %q:\n%s", text, n.Log())
		}
	}
}

// change replaces text in a node's file.
func change(t *testing.T, n *lab.Node, from, to string) {
	t.Helper()
	text, err := os.ReadFile(n.Config)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		t.Fatalf("%s does not hold %q", n.Config, from)
	}
	if err := os.WriteFile(n.Config, []byte(strings.ReplaceAll(string(text), from, to)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestBadConfigurationStopsTheStart(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Nodes: 1, Lazy: true})
	n := l.Nodes[0]
	good, err := os.ReadFile(n.Config)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		from, to string
		says     []string
	}{
		"missing bin_dir":     {lab.BinDir(), "/nowhere/bin", []string{"postgresql.bin_dir", "/nowhere/bin"}},
		"wrong type":          {"listen: 127.0.0.1:" + strconv.Itoa(n.SQLPort), "listen: [1, 2]", []string{"postgresql.listen", n.Config}},
		"no scope":            {"scope: lab\n", "", []string{"scope"}},
		"another store":       {"zookeeper:", "etcd3:", []string{"ZooKeeper"}},
		"no YAML":             {"scope: lab", "scope: [", []string{n.Config}},
		"REST without a port": {"listen: 127.0.0.1:" + strconv.Itoa(n.RESTPort), "listen: 127.0.0.1", []string{"restapi.listen"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(n.Config, good, 0o644); err != nil {
				t.Fatal(err)
			}
			_ = os.Remove(n.LogFile) // of the case before
			change(t, n, c.from, c.to)
			refuses(t, n, c.says...)
		})
	}
}

func TestUnknownKeysAreWarnedAbout(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Nodes: 1, Node: func(string) string { return "watchdgo:\n  mode: 'off'\n" }})
	if log := l.Nodes[0].Log(); !strings.Contains(log, "watchdgo") || !strings.Contains(log, "watchdog") {
		t.Errorf("the log does not warn about watchdgo and name watchdog:\n%s", log)
	}
}

func TestDataDirectoryOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory to another user")
	}
	l := lab.New(t, lab.Options{Nodes: 1, Lazy: true})
	n := l.Nodes[0]
	if err := os.MkdirAll(n.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(n.DataDir, "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(n.DataDir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	refuses(t, n, "postgresql.data_dir", n.DataDir, "owne")
}

func TestPortsTaken(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Nodes: 1, Lazy: true})
	n := l.Nodes[0]
	ln, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(n.RESTPort))
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, n, "restapi.listen", strconv.Itoa(n.RESTPort))
	_ = ln.Close()

	if ln, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(n.SQLPort)); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	refuses(t, n, "failed to bootstrap cluster")
	if _, err := os.Stat(n.DataDir + ".failed"); err != nil {
		t.Errorf("the failed data directory was not moved aside: %v", err)
	}
}

func TestWrongSuperuserPassword(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Nodes: 1})
	n := l.Nodes[0]
	n.KillAgent()
	change(t, n, "s3cret", "wrong")
	n.Start()
	l.Wait(20*time.Second, "the agent to say that the password is wrong", func() string {
		if log := n.Log(); !strings.Contains(log, "password authentication failed") {
			return "not said"
		}
		return ""
	})
	if n.Postmaster() == 0 {
		t.Error("PostgreSQL was stopped because of a wrong password")
	}
	if code, _, err := n.Call(http.MethodGet, "/liveness", ""); code != 200 {
		t.Errorf("/liveness: %d (%v), want 200", code, err)
	}
}

func TestZooKeeperUnreachableAtStart(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Nodes: 1, Lazy: true})
	n := l.Nodes[0]
	l.ZK.Kill()
	n.Start()
	l.Wait(20*time.Second, "the agent to say that it waits", func() string {
		if !strings.Contains(n.Log(), "waiting for ZooKeeper") {
			return "not said"
		}
		return ""
	})
	if code, _, err := n.Call(http.MethodGet, "/liveness", ""); code != 200 {
		t.Errorf("/liveness: %d (%v), want 200", code, err)
	}
	if code, _, err := n.Call(http.MethodGet, "/primary", ""); code != 503 {
		t.Errorf("/primary: %d (%v), want 503", code, err)
	}
	if err := l.ZK.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.WaitHealthy(60 * time.Second)
}

func TestTwoAgentsWithOneName(t *testing.T) {
	r := under(t, lab.DefaultDCS)
	second := r.AddNode("pg1b", lab.Options{})
	change(t, second, "name: pg1b", "name: pg1")
	refuses(t, second, "there is already a node named 'pg1' running")
	// A second start of the very same node is refused as well.
	twin := *r.leader
	twin.LogFile += ".twin"
	refuses(t, &twin, "already")
	r.recovered(20 * time.Second)
	r.undisturbed("a second agent of the same name")
	r.noneLost()
}

func TestDataOfAnotherCluster(t *testing.T) {
	t.Parallel()
	first := lab.New(t, lab.Options{Nodes: 1})
	stranger := first.Nodes[0]
	stranger.Signal(15)
	stranger.WaitExit(20 * time.Second)
	second := lab.New(t, lab.Options{Nodes: 1})
	intruder := second.AddNode("pg9", lab.Options{})
	if err := os.Rename(stranger.DataDir, intruder.DataDir); err != nil {
		t.Fatal(err)
	}
	refuses(t, intruder, "system ID mismatch", "different cluster")
	if _, err := os.Stat(filepath.Join(intruder.DataDir, "global", "pg_control")); err != nil {
		t.Errorf("the foreign data were touched: %v", err)
	}
	second.WaitHealthy(10 * time.Second)
}
