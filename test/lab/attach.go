package lab

import (
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Attach makes a Lab of a cluster that somebody else started and will end.
// password is the superuser's.
func Attach(t testing.TB, password string) *Lab {
	t.Helper()
	dir := t.TempDir()
	l := &Lab{T: t, dir: dir, cred: credentials(t, dir), password: password, scope: Scope}
	l.http = l.client()
	return l
}

// AttachNode adds a running node.
func (l *Lab) AttachNode(name, rest, dataDir, config string, pid int) *Node {
	l.T.Helper()
	u, err := url.Parse(rest)
	if err != nil {
		l.T.Fatal(err)
	}
	n := &Node{Name: name, lab: l, host: u.Hostname(), DataDir: dataDir, Config: config, LogFile: filepath.Join(l.dir, name+".log"), started: true}
	n.RESTPort, _ = strconv.Atoi(u.Port())
	n.SQLPort = n.portOfServer()
	n.process, err = os.FindProcess(pid)
	if err != nil {
		l.T.Fatal(err)
	}
	n.exited = make(chan struct{})
	go func() { // not our child: its end shows in /proc
		for syscall.Kill(pid, 0) == nil {
			time.Sleep(20 * time.Millisecond)
		}
		close(n.exited)
	}()
	l.Nodes = append(l.Nodes, n)
	return n
}

// portOfServer is in the fourth line of postmaster.pid.
func (n *Node) portOfServer() int {
	text, err := os.ReadFile(filepath.Join(n.DataDir, "postmaster.pid"))
	if err != nil {
		n.lab.T.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	port, _ := strconv.Atoi(strings.TrimSpace(lines[3]))
	return port
}

// StartAttached starts the agent of an attached node again; the test ends it.
func (n *Node) StartAttached() {
	n.Start()
	n.lab.T.Cleanup(func() {
		n.Signal(syscall.SIGTERM)
		n.WaitExit(30 * time.Second)
	})
}

// ServerPids are the live processes that work in the data directory.
func (n *Node) ServerPids() []int { return n.pidsIn(n.DataDir) }
