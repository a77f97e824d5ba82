package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/test/lab"
)

// starter starts one kind of agent on a node.
type starter func(*lab.Node)

var (
	patroni  starter = (*lab.Node).StartPatroni
	pgregent starter = (*lab.Node).StartOurs
)

// TestRollingMigration replaces the agents node by node, with one planned
// switchover in each direction, as packaging/README.md tells operators to.
func TestRollingMigration(t *testing.T) {
	for mode, dcs := range mixedModes() {
		t.Run(mode, func(t *testing.T) {
			r := mixed(t, lab.Options{DCS: dcs}, "pg1", "pg2", "pg3")
			r.migrate(mode, pgregent)
			r.migrate(mode, patroni)
		})
	}
}

// migrate gives every node the other agent: the standbys first, then the
// leadership moves to one of them, and the former leader follows.
func (r *run) migrate(mode string, start starter) {
	r.t.Helper()
	last := r.leader
	for _, n := range r.Standbys() {
		r.settle()
		r.exchange(n, start)
		r.streams(60*time.Second, last.Name)
		r.undisturbed("the agent of a standby was replaced")
	}
	r.safe(mode)
	next := r.candidate()
	r.ctl("Successfully switched over", "switchover", "--force", "--master", last.Name, "--candidate", next.Name)
	r.streams(60*time.Second, next.Name)
	r.settle()
	r.exchange(last, start)
	r.streams(60*time.Second, next.Name)
	r.noneLost()
}

// candidate is a standby that a switchover may name: a synchronous one, if
// there is any.
func (r *run) candidate() *lab.Node {
	r.t.Helper()
	doc, err := r.leader.GetJSON("/cluster")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, n := range r.Standbys() {
		if strings.Contains(doc.String(), fmt.Sprintf(`"name": %q, "role": "sync_standby"`, n.Name)) {
			return n
		}
	}
	return r.Standbys()[0]
}

// exchange ends one agent in order and starts the other on the same file and
// data.
func (r *run) exchange(n *lab.Node, start starter) {
	r.t.Helper()
	n.Stop(30 * time.Second)
	start(n)
}

// TestAgentsExchangedInPause replaces all agents and back while PostgreSQL
// runs on untouched, the leader's first.
func TestAgentsExchangedInPause(t *testing.T) {
	r := mixed(t, lab.Options{DCS: mixedDCS}, "pg1", "pg2", "pg3")
	before := r.postmasters()
	for _, start := range []starter{pgregent, patroni} {
		r.ctlPause(true)
		for _, n := range r.Nodes {
			r.settle()
			r.exchange(n, start)
			r.Wait(30*time.Second, n.Name+" to answer", func() string {
				_, _, err := n.Call(http.MethodGet, "/liveness", "")
				if err != nil {
					return err.Error()
				}
				return ""
			})
			answered := time.Now()
			r.Wait(30*time.Second, n.Name+" to be served again", func() string { return r.serves(n) })
			took := time.Since(answered)
			t.Logf("%s: the exchange took %v", n.Name, time.Since(r.from).Round(time.Millisecond))
			if took > 15*time.Second { // the former session takes longer to expire
				t.Errorf("%s was not served for %v after its first answer", n.Name, took)
			}
			r.streams(60*time.Second, "pg1")
		}
		r.ctlPause(false)
		r.streams(60*time.Second, "pg1")
		r.undisturbed("pause is over")
		if after := r.postmasters(); after != before {
			t.Errorf("the postmasters are %s, were %s", after, before)
		}
	}
	r.noneLost()
}

// adoptKilled takes over a leader whose agent, Patroni, was killed and whose
// session lasts for seconds: PostgreSQL and the leadership stay.
func (r *run) adoptKilled() {
	r.t.Helper()
	r.settle()
	leader, before := r.leader, r.postmasters()
	leader.KillAgent()
	leader.StartOurs()
	r.Wait(15*time.Second, "the leader to be served again", func() string { return r.serves(leader) })
	r.t.Logf("served again after %v", time.Since(r.from).Round(time.Millisecond))
	r.streams(30*time.Second, leader.Name)
	r.undisturbed("the leader was adopted")
	if after := r.postmasters(); after != before {
		r.t.Errorf("the postmasters are %s, were %s", after, before)
	}
	r.noneLost()
}

// serves says what a load balancer would miss of a node.
func (r *run) serves(n *lab.Node) string {
	path := "/replica"
	if n == r.leader {
		path = "/primary"
	}
	if code, _, err := n.Call("GET", path, ""); err != nil || code != 200 {
		return fmt.Sprint(path, " answers ", code, err)
	}
	doc, err := n.GetJSON("/patroni")
	if err != nil || doc.Has("pending_restart") || cluster.Text(doc.Get("state")) != "running" {
		return fmt.Sprint(doc, err)
	}
	return ""
}

// postmasters are the pids of all nodes' servers.
func (r *run) postmasters() string {
	text := ""
	for _, n := range r.Nodes {
		text += fmt.Sprintf("%s:%d ", n.Name, n.Postmaster())
	}
	return text
}
