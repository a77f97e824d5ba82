package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

func TestBootstrapCutOffIsBegunAgain(t *testing.T) {
	for _, moment := range []string{"was=stopped", "leader lock acquired", "postmaster found"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, lab.Options{Lazy: true, DCS: fast})
			first := l.Nodes[0]
			first.Start()
			l.Wait(20*time.Second, "the bootstrap to be at "+moment, func() string {
				if !strings.Contains(first.Log(), moment) {
					return "not there"
				}
				return ""
			})
			first.KillAll()
			for _, n := range l.Nodes {
				n.Start()
			}
			l.WaitHealthy(60 * time.Second)
		})
	}
}

func TestWholeSiteRestarts(t *testing.T) {
	r := under(t, fast)
	for _, n := range r.Nodes {
		n.KillAll()
	}
	for _, n := range r.Nodes {
		n.Start()
	}
	was := r.leader.Name
	t.Logf("write gap %v", r.recovered(60*time.Second).Round(time.Millisecond))
	if now := r.Leader().Name; now == was {
		r.noneLost()
	} else {
		// Its session was over before its agent was back: an asynchronous
		// standby may lead then, and recovered has checked the settled rows.
		t.Logf("%s leads after %s", now, was)
	}
}

func TestCandidateDiesDuringSwitchover(t *testing.T) {
	r := under(t, fast)
	candidate := r.Standbys()[0]
	asked := make(chan string, 1)
	go func() {
		code, text, err := r.leader.Call("POST", "/switchover", fmt.Sprintf(`{"leader": %q, "candidate": %q}`, r.leader.Name, candidate.Name))
		asked <- fmt.Sprint(code, " ", text, " ", err)
	}()
	r.Wait(10*time.Second, "the hand-over to begin", func() string {
		if !strings.Contains(r.leader.Log(), "verb=hand-over") {
			return "not yet"
		}
		return ""
	})
	candidate.KillAll()
	r.writer.AwaitMore(50, 60*time.Second)
	t.Logf("the operator was told %s; write gap %v", <-asked, r.writer.Gap(r.from).Round(time.Millisecond))
	candidate.Start()
	r.recovered(60 * time.Second)
	r.noneLost()
}

func TestBusyBackendsOfACrashedPostmasterAreKilled(t *testing.T) {
	r := under(t, lab.DefaultDCS)
	busy := make(chan error, 1)
	go func() {
		_, err := r.leader.Query("DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$")
		busy <- err
	}()
	r.Wait(10*time.Second, "a busy backend", func() string {
		if n, err := r.leader.Query("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %'"); err != nil || n != "1" {
			return fmt.Sprint(n, err)
		}
		return ""
	})
	_ = syscall.Kill(r.leader.Postmaster(), syscall.SIGKILL)
	if err := <-busy; err == nil {
		t.Error("the busy backend ended by itself")
	}
	r.recovered(30 * time.Second)
	r.noneLost()
}

func TestZooKeeperWipedUnderARunningCluster(t *testing.T) {
	r := under(t, fast)
	id, err := r.leader.GetJSON("/patroni")
	if err != nil {
		t.Fatal(err)
	}
	r.RemoveKeys()
	r.recovered(60 * time.Second)
	again, err := r.Leader().GetJSON("/patroni")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := id.Get("database_system_identifier"), again.Get("database_system_identifier"); a != b {
		t.Errorf("the system identifier was %v and is %v: another cluster was made", a, b)
	}
	r.noneLost()
}
