package lab

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// Patroni is where the independent agent is installed that reads the same
// configuration and the same keys. A test that needs it is skipped without,
// except in continuous integration, which has to install it.
func Patroni(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("patroni")
	if err == nil {
		err = exec.Command("/usr/bin/python3", "-c", "import kazoo").Run()
	}
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") != "":
		t.Fatalf("Patroni with its ZooKeeper client is not installed (%v); make test-deps installs both", err)
	default:
		t.Skipf("Patroni with its ZooKeeper client is not installed (%v); make test-deps installs both where the distribution has them", err)
	}
	return ""
}

// StartPatroni starts Patroni as the node's agent, with the node's file as it
// is, on whatever is in the data directory and runs there.
func (n *Node) StartPatroni() {
	n.lab.T.Helper()
	n.program = Patroni(n.lab.T)
	n.Start()
}

// StartOurs starts our agent on the node, whatever was its agent before.
func (n *Node) StartOurs() {
	n.lab.T.Helper()
	n.program = ""
	n.Start()
}

// Stop ends the node's agent in order, which stops PostgreSQL too unless the
// cluster is paused.
func (n *Node) Stop(limit time.Duration) {
	n.lab.T.Helper()
	n.Signal(syscall.SIGTERM)
	if code := n.WaitExit(limit); code != 0 {
		n.lab.T.Errorf("%s: the agent ended with code %d, want 0", n.Name, code)
	}
}

// WaitStreaming waits until all started nodes name the same leader, that
// leader accepts writes and all others stream from it, by PostgreSQL's own
// word and on its timeline: what every kind of agent must reach. It returns
// the leader.
func (l *Lab) WaitStreaming(limit time.Duration) *Node {
	l.T.Helper()
	var leader *Node
	l.Wait(limit, "one leader by every node's word, all others streaming from it", func() string {
		var missing string
		leader, missing = l.streaming()
		return missing
	})
	return leader
}

// streaming is the leader, or what is missing.
func (l *Lab) streaming() (leader *Node, missing string) {
	var timelines map[string]bool
	for _, n := range l.Nodes {
		if !n.started {
			continue
		}
		doc, err := n.GetJSON("/cluster")
		if err != nil {
			return nil, n.Name + ": " + err.Error()
		}
		named := l.Node(leaderOf(doc))
		if named == nil || (leader != nil && leader != named) {
			return nil, n.Name + " sees " + doc.String()
		}
		leader, timelines = named, map[string]bool{}
		for _, m := range members(doc) {
			timelines[cluster.Text(m.Get("timeline"))] = true
		}
		if len(timelines) != 1 {
			return nil, n.Name + " sees " + doc.String()
		}
	}
	if leader == nil {
		return nil, "no node is started"
	}
	got, err := leader.Query("SELECT NOT pg_is_in_recovery() AND count(*) = " + fmt.Sprint(l.startedNodes()-1) +
		" FROM pg_stat_replication WHERE state = 'streaming' AND application_name IN (" + l.quotedNames() + ")")
	if err != nil || got != "true" {
		return nil, fmt.Sprintf("%s: not all others stream (%s, %v)", leader.Name, got, err)
	}
	return leader, ""
}

// quotedNames lists all nodes for SQL.
func (l *Lab) quotedNames() string {
	var names []string
	for _, n := range l.Nodes {
		names = append(names, "'"+n.Name+"'")
	}
	return strings.Join(names, ", ")
}
