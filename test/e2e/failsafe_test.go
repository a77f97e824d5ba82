package e2e

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/test/lab"
)

// failsafeDCS has the shortest session timeout and failsafe_mode.
const failsafeDCS = fast + "failsafe_mode: true\n"

// withFailsafe is a cluster under load whose failsafe key names all nodes.
func withFailsafe(t *testing.T, dcs string) *run {
	t.Helper()
	r := under(t, dcs)
	r.Wait(20*time.Second, "all members in the failsafe key", func() string {
		o, err := r.Leader().GetJSON("/failsafe")
		if err != nil || o.Len() != len(r.Nodes) {
			return fmt.Sprint(o, err)
		}
		return ""
	})
	return r
}

func failsafeActive(n *lab.Node) bool {
	o, err := n.GetJSON("/patroni")
	return err == nil && o.Get("failsafe_mode_is_active") == true
}

func TestWritesGoOnWithoutZooKeeper(t *testing.T) {
	r := withFailsafe(t, failsafeDCS)
	r.ZK.Kill()
	away := time.Now()
	for _, n := range r.Nodes {
		r.Wait(10*time.Second, n.Name+" to say that failsafe is active", func() string {
			if !failsafeActive(n) {
				return "it does not"
			}
			return ""
		})
	}
	for time.Since(away) < 20*time.Second {
		for _, n := range r.Nodes {
			code, _, err := n.Call(http.MethodGet, "/primary", "")
			if want := map[bool]int{true: 200, false: 503}[n == r.leader]; err != nil || code != want {
				t.Fatalf("%v after the end of ZooKeeper: /primary of %s: %d (%v), want %d", time.Since(away), n.Name, code, err, want)
			}
		}
		time.Sleep(100 * time.Millisecond) // between two looks
	}
	if gap := r.writer.Gap(r.from); gap > hiccup {
		t.Errorf("writes stood still for %v while ZooKeeper was away", gap)
	}
	if err := r.ZK.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, n := range r.Nodes {
		r.Wait(20*time.Second, n.Name+" to be back to normal", func() string {
			if o, err := n.GetJSON("/patroni"); err != nil || failsafeActive(n) || o.Get("cluster_unlocked") == true {
				return fmt.Sprint(o, err)
			}
			return ""
		})
	}
	r.recovered(30 * time.Second)
	r.undisturbed("ZooKeeper was away and is back")
	if strings.Contains(r.leader.Log(), "verb=demote") {
		t.Error("the leader did not keep its role")
	}
	r.noneLost()
}

func TestAMissingPromiseDemotesInTime(t *testing.T) {
	r := withFailsafe(t, failsafeDCS)
	r.ZK.Kill()
	r.Wait(10*time.Second, "the leader to go on by promises", func() string {
		if !failsafeActive(r.leader) {
			return "it does not"
		}
		return ""
	})
	var standby *lab.Node
	for _, n := range r.Nodes {
		if n != r.leader {
			standby = n
		}
	}
	standby.KillAgent()
	gone := time.Now()
	r.Wait(10*time.Second, "the leader to be read-only", func() string {
		readOnly, err := r.leader.Query("SELECT pg_is_in_recovery()")
		if err != nil || readOnly != "true" {
			return fmt.Sprint(readOnly, err)
		}
		return ""
	})
	// The last promise is of 5 s; what is left of it ends 1 s before that.
	acks := r.probes.Acks()
	if after := acks[len(acks)-1].Sent.Sub(gone); after > 5*time.Second {
		t.Errorf("the last write that was acknowledged was sent %v after the death of a standby's agent", after)
	}
	standby.Start()
	if err := r.ZK.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.recovered(60 * time.Second)
	r.noneLost()
}

func TestPromisesSurviveTheAgent(t *testing.T) {
	r := withFailsafe(t, "ttl: 30\nloop_wait: 10\nretry_timeout: 10\nfailsafe_mode: true\n")
	standby := r.Standbys()[0]
	body := fmt.Sprintf(`{"name": %q, "conn_url": "postgres://x/", "api_url": %q}`, r.leader.Name, r.leader.URL("/patroni"))
	code, text, err := standby.Call(http.MethodPost, "/failsafe", body)
	if err != nil || code != http.StatusOK || text != "Accepted" {
		t.Fatalf("got %d %q (%v), want 200 Accepted", code, text, err)
	}
	post(t, r.leader, "/failsafe", strings.ReplaceAll(body, r.leader.Name, standby.Name), http.StatusInternalServerError)
	standby.KillAgent()
	standby.Start()
	r.Wait(8*time.Second, "the restarted agent to know its promise", func() string {
		o, err := standby.GetJSON("/patroni")
		if err != nil || o.Get("failsafe_mode_is_active") != true {
			return fmt.Sprint(cluster.Text(o), err)
		}
		return ""
	})
	r.recovered(30 * time.Second)
}

// Patroni's members answer the same request, and say nothing of how long.
func TestPatroniPromisesToo(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("patroni")
	if err != nil {
		t.Skip("Patroni is not installed")
	}
	const dcs = "ttl: 20\nloop_wait: 2\nretry_timeout: 3\nfailsafe_mode: true\n" // its shortest
	l := lab.New(t, lab.Options{DCS: dcs, Nodes: 1})
	other := l.AddNode("pg2", lab.Options{DCS: dcs, Program: program})
	l.Nodes = append(l.Nodes, other)
	other.Start()
	leader := l.WaitHealthy(60 * time.Second)
	l.Wait(20*time.Second, "both members in the failsafe key", func() string {
		o, err := leader.GetJSON("/failsafe")
		if err != nil || o.Len() != 2 {
			return fmt.Sprint(o, err)
		}
		return ""
	})
	l.ZK.Kill()
	l.Wait(20*time.Second, "Patroni to promise", func() string {
		if !failsafeActive(leader) || !failsafeActive(other) {
			return "it does not"
		}
		return ""
	})
	gone := time.Now() // longer than its lease
	l.Wait(30*time.Second, "the leader to lead by promises", func() string {
		o, err := leader.GetJSON("/patroni")
		if err != nil || o.Object("pgregent").Get("rule") != "failsafe-lead" {
			return fmt.Sprint(o, err)
		}
		return ""
	})
	if code, _, err := leader.Call(http.MethodGet, "/primary", ""); code != http.StatusOK {
		t.Errorf("%v later: /primary is %d (%v), want 200", time.Since(gone), code, err)
	}
	if err := l.ZK.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.WaitHealthy(60*time.Second) != leader {
		t.Error("the leader did not keep its role")
	}
}
