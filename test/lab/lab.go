package lab

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/zkdcs/zktest"
)

// Scope is the name of every lab cluster that has no other.
const Scope = "lab"

// Options shape a lab.
type Options struct {
	Nodes int
	// Scope is the cluster's name, and Prefix begins the names of its nodes;
	// "": Scope and pg. Two clusters on one store need their own.
	Scope, Prefix string
	// DCS is YAML under bootstrap.dcs, without indentation; see defaults.
	DCS string
	// Node adds YAML to one node's file; may be nil.
	Node func(name string) string
	// REST is YAML under restapi, without indentation. TLS is how the lab
	// calls the agents then, if not by plain HTTP; nil: plain.
	REST string
	TLS  *tls.Config
	// Lazy starts no agents.
	Lazy bool
	// Program is run with the configuration file; "" for our agent. Other
	// agents that read Patroni's configuration can be compared by it.
	Program string
	// ZooKeeper are the addresses of servers that the test runs itself; none:
	// the lab starts one.
	ZooKeeper []string
	// Hosts are where the nodes live; nil: on loopback.
	Hosts Hosts
	// HBA are lines of pg_hba.conf before the lab's own.
	HBA []string
}

// Lab is one cluster under test.
type Lab struct {
	T     testing.TB
	ZK    *zktest.Server
	Nodes []*Node
	dir   string
	cred  *syscall.SysProcAttr
	http  *http.Client
	// stores are the addresses of the ZooKeeper servers.
	stores []string
	// elsewhere is Options.Hosts.
	elsewhere Hosts
	hba       []string
	scope     string
	rest      string
	tls       *tls.Config // nil: plain HTTP
	// password is the superuser's, "" for the lab's own.
	password string
}

// DefaultDCS has Patroni's default timing, and allows what a demo needs.
const DefaultDCS = `ttl: 30
loop_wait: 10
retry_timeout: 10
postgresql:
  use_pg_rewind: true
  remove_data_directory_on_rewind_failure: true
  remove_data_directory_on_diverged_timelines: true
`

// Binary builds the agent once for all tests of a process.
var Binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "pgregent-bin-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "pgregent")
	out, err := exec.Command("go", "build", "-o", path, "github.com/pgregent/pgregent/cmd/pgregent").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the agent: %w: %s", err, out)
	}
	return path, nil
})

// Cleanup removes what Binary built; TestMain calls it.
func Cleanup() {
	if path, err := Binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
}

// New starts a cluster and registers its end. Unless Lazy, it returns when
// one leader and all standbys stream.
func New(t testing.TB, o Options) *Lab {
	t.Helper()
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.DCS == "" {
		o.DCS = DefaultDCS
	}
	dir, err := os.MkdirTemp("", "pgregent-lab-")
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{T: t, dir: dir, cred: credentials(t, dir), stores: o.ZooKeeper, elsewhere: o.Hosts, hba: o.HBA, scope: cmp.Or(o.Scope, Scope), rest: o.REST, tls: o.TLS}
	l.http = l.client()
	t.Cleanup(l.end)
	if len(l.stores) == 0 {
		l.ZK = zktest.Start(t, zktest.WithTick(2*time.Second))
		l.stores = []string{l.ZK.Addr()}
	}
	for i := range o.Nodes {
		l.Nodes = append(l.Nodes, l.newNode(fmt.Sprintf("%s%d", cmp.Or(o.Prefix, "pg"), i+1), o))
	}
	if o.Lazy {
		return l
	}
	for _, n := range l.Nodes {
		n.Start()
	}
	l.WaitHealthy(60 * time.Second)
	return l
}

// AddNode makes a further node without starting it.
func (l *Lab) AddNode(name string, o Options) *Node {
	if o.DCS == "" {
		o.DCS = DefaultDCS
	}
	n := l.newNode(name, o)
	l.T.Cleanup(n.bury)
	return n
}

// credentials makes the agents run as the postgres user when the test runs
// as root, which PostgreSQL refuses.
func credentials(t testing.TB, dir string) *syscall.SysProcAttr {
	t.Helper()
	attr := &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() != 0 {
		return attr
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatalf("running as root needs a postgres user: %v", err)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		t.Fatal(err)
	}
	return attr
}

func (l *Lab) end() {
	for _, n := range l.Nodes {
		n.bury()
		for _, bad := range []string{"DATA RACE", "panic:"} {
			if strings.Contains(n.Log(), bad) {
				l.T.Errorf("%s: %s in its log", n.Name, bad)
			}
		}
	}
	if l.T.Failed() || os.Getenv("PGREGENT_LAB_LOGS") != "" {
		for _, n := range l.Nodes {
			n.dumpLog()
		}
		if os.Getenv("PGREGENT_KEEP_LAB") != "" {
			l.T.Logf("kept %s", l.dir)
			return
		}
	}
	_ = os.RemoveAll(l.dir)
}

// Leader returns the node that the store's leader key names; nil if none.
func (l *Lab) Leader() *Node {
	for _, n := range l.Nodes {
		doc, err := n.GetJSON("/cluster")
		if err != nil {
			continue
		}
		for _, m := range members(doc) {
			if isLeader(m) {
				return l.Node(cluster.Text(m.Get("name")))
			}
		}
	}
	return nil
}

// Node returns the node of that name, or nil.
func (l *Lab) Node(name string) *Node {
	for _, n := range l.Nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Standbys are all nodes but the leader.
func (l *Lab) Standbys() []*Node {
	leader := l.Leader()
	var out []*Node
	for _, n := range l.Nodes {
		if n != leader {
			out = append(out, n)
		}
	}
	return out
}

// WaitHealthy waits until one leader runs and every other started node
// streams on the leader's timeline, and returns the leader.
func (l *Lab) WaitHealthy(limit time.Duration) *Node {
	l.T.Helper()
	l.Wait(limit, "one leader, all others streaming", func() string { return l.unhealthy() })
	return l.Leader()
}

// Unhealthy says what is missing for a healthy cluster, "" if nothing.
func (l *Lab) Unhealthy() string { return l.unhealthy() }

// unhealthy says what is missing, "" if nothing.
func (l *Lab) unhealthy() string {
	for _, n := range l.Nodes {
		if !n.started {
			continue
		}
		doc, err := n.GetJSON("/cluster")
		if err != nil {
			return n.Name + ": " + err.Error()
		}
		return healthyDoc(doc, l.startedNodes())
	}
	return "no node is started"
}

func (l *Lab) startedNodes() int {
	count := 0
	for _, n := range l.Nodes {
		if n.started {
			count++
		}
	}
	return count
}

func healthyDoc(doc *cluster.Object, want int) string {
	leaders, streaming, timelines := 0, 0, map[string]bool{}
	for _, m := range members(doc) {
		timelines[cluster.Text(m.Get("timeline"))] = true
		switch state := cluster.Text(m.Get("state")); {
		case isLeader(m) && (state == "running" || state == "streaming"):
			leaders++
		case state == "streaming", state == "running" && cluster.Text(m.Get("lag")) == "0":
			streaming++
		}
	}
	if leaders != 1 || streaming != want-1 || len(timelines) != 1 {
		return doc.String()
	}
	return ""
}

// isLeader reports a row of the holder of the lock, also in a standby cluster.
func isLeader(row *cluster.Object) bool {
	role := cluster.Text(row.Get("role"))
	return role == "leader" || role == "standby_leader"
}

func members(doc *cluster.Object) []*cluster.Object {
	list, _ := doc.Get("members").([]any)
	var out []*cluster.Object
	for _, v := range list {
		if o, ok := v.(*cluster.Object); ok {
			out = append(out, o)
		}
	}
	return out
}

// patience is how many times as long as an idle machine a busy one may take.
const patience = 3

// Wait polls until missing returns "", and fails the test with its last text
// if it does not: limit is a generous one of an idle machine, and a busy one
// gets more. It ends hopeless waits; a promise about time is checked by the
// times of writes.
func (l *Lab) Wait(limit time.Duration, what string, missing func() string) {
	l.T.Helper()
	limit *= patience
	deadline := time.Now().Add(limit)
	last := ""
	for time.Now().Before(deadline) {
		if last = missing(); last == "" {
			return
		}
		time.Sleep(50 * time.Millisecond) // polling interval, not a wait for work
	}
	l.T.Fatalf("waited %v for %s: %s", limit, what, last)
}

// FreePort returns a TCP port of 127.0.0.1 that nobody listens on, from below
// the range that the kernel gives to outgoing connections. No other test is
// given it before this one ends: the UDP port of that number is the mark.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 15000 + rand.IntN(15000)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		mark, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		ln, err := net.Listen("tcp", address)
		if err != nil {
			_ = mark.Close()
			continue
		}
		_ = ln.Close()
		t.Cleanup(func() { _ = mark.Close() })
		return port
	}
	t.Fatal("no free port found")
	return 0
}

// BinDir is where the newest installed PostgreSQL has its programs.
func BinDir() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	more, _ := filepath.Glob("/usr/pgsql-*/bin")
	found = append(found, more...)
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1]
}

// Patronictl runs Debian's patronictl against the cluster.
func (l *Lab) Patronictl(ctx context.Context, args ...string) (string, error) {
	conf := filepath.Join(l.dir, "patronictl.yml")
	text := "scope: " + l.scope + "\nzookeeper:\n  hosts: ['" + strings.Join(l.stores, "','") + "']\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "patronictl", append([]string{"-c", conf}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
