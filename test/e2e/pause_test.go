package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/test/lab"
)

// pause switches pause on or off and waits until all nodes have noticed.
func (r *run) pause(on bool) {
	r.t.Helper()
	value := "null"
	if on {
		value = "true"
	}
	code, text, err := r.Nodes[0].Call(http.MethodPatch, "/config", `{"pause": `+value+`}`)
	if err != nil || code != http.StatusOK {
		r.t.Fatalf("PATCH /config: got %d %q (%v)", code, text, err)
	}
	for _, n := range r.Nodes {
		r.Wait(10*time.Second, n.Name+" to notice", func() string {
			doc, err := n.GetJSON("/patroni")
			if err != nil || doc.Has("pause") != on {
				return fmt.Sprint(doc, err)
			}
			return ""
		})
	}
}

// primaryOnly waits until that node leads, and checks that nobody else is
// writable.
func (r *run) primaryOnly(n *lab.Node, limit time.Duration) {
	r.t.Helper()
	r.Wait(limit, n.Name+" to lead", func() string {
		if code, _, err := n.Call(http.MethodGet, "/primary", ""); err != nil || code != http.StatusOK || r.Leader() != n {
			return fmt.Sprint(code, err)
		}
		return ""
	})
	if w := writableNodes(r.t, r.Lab); len(w) != 1 || w[0] != n.Name {
		r.t.Errorf("writable: %v, want %s alone", w, n.Name)
	}
}

func TestPause(t *testing.T) {
	r := under(t, fast)
	r.pause(true)

	t.Log("a failover to a named candidate is carried out, and the old leader comes back")
	candidate, old := r.Standbys()[0], r.leader
	post(t, old, "/switchover", fmt.Sprintf(`{"leader": %q}`, old.Name), 400)
	post(t, old, "/failover", fmt.Sprintf(`{"candidate": %q}`, candidate.Name), 200)
	r.primaryOnly(candidate, 20*time.Second)
	r.WaitHealthy(30 * time.Second)

	t.Log("a restart on request is carried out, and the lock is kept")
	postmaster := candidate.Postmaster()
	post(t, candidate, "/restart", "", 200)
	if candidate.Postmaster() == postmaster {
		t.Error("the leader was not restarted")
	}
	r.primaryOnly(candidate, 10*time.Second)
	r.WaitHealthy(30 * time.Second)

	t.Log("the leader is stopped by hand: the lock is released, and nobody takes it")
	_ = syscall.Kill(candidate.Postmaster(), syscall.SIGINT)
	r.Wait(20*time.Second, "the lock to be released", func() string {
		if n := r.Leader(); n != nil {
			return n.Name
		}
		return ""
	})
	if n := candidate.Postmaster(); n != 0 {
		t.Errorf("a stopped PostgreSQL was started in pause, pid %d", n)
	}

	t.Log("a standby is promoted by hand: it takes the lock")
	byHand := r.Standbys()[0]
	if byHand == candidate {
		byHand = r.Standbys()[1]
	}
	if _, err := byHand.Query("SELECT pg_promote(true)"); err != nil {
		t.Fatal(err)
	}
	r.primaryOnly(byHand, 20*time.Second)

	t.Log("pause ends: all follow")
	r.pause(false)
	r.writer.AwaitMore(50, 30*time.Second)
	if leader := r.WaitHealthy(60 * time.Second); leader != byHand {
		t.Errorf("the leader is %s, want %s", leader.Name, byHand.Name)
	}
	// One node led twice, with less than a second between.
	if both := r.probes.Overlap(200 * time.Millisecond); both > 0 {
		t.Errorf("two nodes acknowledged writes during %v", both)
	}
}

func TestFailoverWithoutALeaderInPause(t *testing.T) {
	r := under(t, fast)
	r.pause(true)
	_ = syscall.Kill(r.leader.Postmaster(), syscall.SIGINT)
	r.Wait(20*time.Second, "the lock to be released", func() string {
		if n := r.Leader(); n != nil {
			return n.Name
		}
		return ""
	})
	candidate := r.Nodes[0]
	if candidate == r.leader {
		candidate = r.Nodes[1]
	}
	post(t, candidate, "/failover", fmt.Sprintf(`{"candidate": %q}`, candidate.Name), 200)
	r.primaryOnly(candidate, 20*time.Second)
	r.pause(false)
	if leader := r.recoveredLeader(60 * time.Second); leader != candidate {
		t.Errorf("the leader is %s, want %s", leader.Name, candidate.Name)
	}
}

// recoveredLeader is recovered, and returns the leader.
func (r *run) recoveredLeader(limit time.Duration) *lab.Node {
	r.t.Helper()
	r.recovered(limit)
	return r.Leader()
}

func TestScheduledSwitchover(t *testing.T) {
	r := under(t, fast)
	candidate := r.Standbys()[0]
	at := time.Now().Add(4 * time.Second).UTC()
	body := fmt.Sprintf(`{"leader": %q, "candidate": %q, "scheduled_at": %q}`, r.leader.Name, candidate.Name, at.Format("2006-01-02T15:04:05.000000-07:00"))
	post(t, r.leader, "/switchover", body, 202)
	doc, err := r.leader.GetJSON("/cluster")
	if err != nil || cluster.Text(doc.Object("scheduled_switchover").Get("to")) != candidate.Name {
		t.Errorf("GET /cluster: %v (%v)", doc, err)
	}
	r.primaryOnly(candidate, 30*time.Second)
	if early := time.Until(at); early > 0 {
		t.Errorf("the switchover came %v early", early)
	} else {
		t.Logf("switched over %v after the time", -early.Round(time.Millisecond))
	}
	r.recovered(30 * time.Second)
	r.noneLost()
	doc, err = candidate.GetJSON("/cluster")
	if err != nil || doc.Has("scheduled_switchover") || strings.Contains(doc.String(), "scheduled") {
		t.Errorf("the schedule is still there: %v (%v)", doc, err)
	}
}
