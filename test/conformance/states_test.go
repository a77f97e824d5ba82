package conformance

import (
	"fmt"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

func TestMain(m *testing.M) {
	code := m.Run()
	lab.Cleanup()
	os.Exit(code)
}

// The states, by the letters of the table's columns.
const (
	leading       = 'L'
	synchronous   = 'S'
	asynchronous  = 'A'
	standbyLeader = 'F'
	starting      = 'T' // PostgreSQL lets nobody in yet
	pausedLeader  = 'P'
	pausedStandby = 'Q'
	stopped       = 'X' // PostgreSQL stopped by hand, in pause
	leaderless    = 'N' // a standby, nobody leads, in pause
	cutLeader     = 'Z' // was the leader, ZooKeeper is gone
	cutStandby    = 'Y' // a standby, ZooKeeper is gone
)

// quick and slow are the timing for our agent, and for one that accepts no
// shorter ttl.
const (
	quick  = "ttl: 5\nloop_wait: 1\nretry_timeout: 2\nsynchronous_mode: true\n"
	slow   = "ttl: 20\nloop_wait: 1\nretry_timeout: 3\nsynchronous_mode: true\n"
	common = "postgresql:\n  use_pg_rewind: true\n"
)

// visit brings clusters run by program into each state and calls f with a
// node in it.
func visit(t *testing.T, program string, f func(state rune, n *lab.Node)) {
	timing, limit := quick, 60*time.Second
	if program != "" {
		timing, limit = slow, 120*time.Second
	}
	hold := newHolds(t)
	l := lab.New(t, lab.Options{Program: program, DCS: timing + common, Node: hold.config})
	dr := lab.New(t, lab.Options{
		Program: program, Nodes: 1, ZooKeeper: []string{l.ZK.Addr()}, Scope: "dr", Prefix: "dr",
		DCS: timing + common + fmt.Sprintf("standby_cluster: {host: 127.0.0.1, port: %d}\n", l.Leader().SQLPort),
	})
	code := func(n *lab.Node, path string, want int) {
		t.Helper()
		l.Wait(limit, fmt.Sprintf("%s %s to be %d", n.Name, path, want), func() string {
			got, text, err := n.Call(http.MethodGet, path, "")
			if err != nil || got != want {
				return fmt.Sprint(got, text, err)
			}
			return ""
		})
	}
	leader := l.Leader()
	var sync, async *lab.Node
	l.Wait(limit, "a synchronous standby", func() string {
		sync, async = nil, nil
		for _, n := range l.Standbys() {
			if got, _, err := n.Call(http.MethodGet, "/sync", ""); err == nil && got == http.StatusOK {
				sync = n
			} else {
				async = n
			}
		}
		if sync == nil || async == nil {
			return "none"
		}
		return ""
	})
	code(dr.Nodes[0], "/standby-leader", 200)
	for _, n := range []*lab.Node{sync, async} {
		code(n, "/replica?lag=0", 200)
		code(n, "/readiness", 200)
	}
	f(leading, leader)
	f(synchronous, sync)
	f(asynchronous, async)
	f(standbyLeader, dr.Nodes[0])
	dr.Nodes[0].Stop(limit)
	hold.start(l, async, limit, func() { f(starting, async) })

	pause(t, leader, "true")
	for _, n := range l.Nodes {
		paused(l, n, limit)
	}
	f(pausedLeader, leader)
	f(pausedStandby, async)

	stop(l, async, limit)
	f(stopped, async)

	stop(l, leader, limit)
	l.Wait(limit, "nobody to lead", func() string {
		if doc, err := sync.GetJSON("/patroni"); err != nil || !doc.Has("cluster_unlocked") || doc.Get("replication_state") == "streaming" {
			return fmt.Sprint(doc, err)
		}
		return ""
	})
	f(leaderless, sync)

	pause(t, sync, "null")
	leader = l.WaitHealthy(limit)
	var other *lab.Node
	for _, n := range l.Standbys() {
		other = n
	}
	l.ZK.Kill()
	code(leader, "/primary", 503)
	for _, n := range []*lab.Node{leader, other} {
		l.Wait(limit, n.Name+" to be cut off and running", func() string {
			doc, err := n.GetJSON("/patroni")
			if err != nil || !doc.Has("cluster_unlocked") || doc.Get("state") != "running" || doc.Get("role") != "replica" {
				return fmt.Sprint(doc, err)
			}
			return ""
		})
	}
	f(cutLeader, leader)
	f(cutStandby, other)
}

func pause(t *testing.T, n *lab.Node, value string) {
	t.Helper()
	if got, text, err := n.Call(http.MethodPatch, "/config", `{"pause": `+value+`}`); err != nil || got != http.StatusOK {
		t.Fatalf("pause %s: got %d %q (%v)", value, got, text, err)
	}
}

// paused waits until a node has seen the pause.
func paused(l *lab.Lab, n *lab.Node, limit time.Duration) {
	l.T.Helper()
	l.Wait(limit, n.Name+" to see the pause", func() string {
		if doc, err := n.GetJSON("/patroni"); err != nil || !doc.Has("pause") {
			return fmt.Sprint(doc, err)
		}
		return ""
	})
}

// stop stops a node's PostgreSQL behind its agent's back, and waits until the
// agent has seen it.
func stop(l *lab.Lab, n *lab.Node, limit time.Duration) {
	l.T.Helper()
	_ = syscall.Kill(n.Postmaster(), syscall.SIGINT)
	l.Wait(limit, n.Name+" to be stopped", func() string {
		if doc, err := n.GetJSON("/health"); err != nil || doc.Has("xlog") || n.Postmaster() != 0 {
			return fmt.Sprint(doc, err)
		}
		return ""
	})
}
