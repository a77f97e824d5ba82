package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

func TestAgentKilledForGood(t *testing.T) {
	r := under(t, lab.DefaultDCS)
	r.leader.KillAgent()
	killed := time.Now()
	r.Wait(15*time.Second, "another leader", func() string {
		if l := r.Leader(); l == nil || l == r.leader {
			return "none yet"
		}
		return ""
	})
	took := time.Since(killed)
	if took > 25*time.Second {
		t.Errorf("another leader after %v, as if the session had to expire", took)
	}
	r.writer.AwaitMore(50, 20*time.Second)
	t.Logf("another leader after %v, write gap %v (takeover_wait 5 s, ttl 30 s)", took.Round(time.Millisecond), r.writer.Gap(r.from).Round(time.Millisecond))
	r.Wait(10*time.Second, "the fence to end", func() string {
		if pids := r.leader.Fences(); len(pids) > 0 {
			return fmt.Sprint(pids)
		}
		return ""
	})
	r.leader.Start()
	r.recovered(60 * time.Second)
}

func TestAgentFrozen(t *testing.T) {
	r := under(t, fast)
	r.leader.Signal(syscall.SIGSTOP)
	r.Wait(30*time.Second, "another leader", func() string {
		if l := r.Leader(); l == nil || l == r.leader {
			return "none yet"
		}
		return ""
	})
	if pids := r.leader.ServerPids(); len(pids) > 0 {
		t.Errorf("the frozen agent's PostgreSQL still runs beside the new leader: %v", pids)
	}
	r.writer.AwaitMore(50, 30*time.Second)
	t.Logf("write gap %v at ttl 5 s", r.writer.Gap(r.from).Round(time.Millisecond))
	r.leader.Signal(syscall.SIGCONT)
	r.recovered(60 * time.Second)
}

func TestFenceKilled(t *testing.T) {
	r := under(t, lab.DefaultDCS)
	old := r.leader.Fences()
	if len(old) != 1 {
		t.Fatalf("the leader has fences %v, want one", old)
	}
	_ = syscall.Kill(old[0], syscall.SIGKILL)
	r.Wait(5*time.Second, "another fence", func() string {
		if now := r.leader.Fences(); len(now) != 1 || now[0] == old[0] {
			return fmt.Sprint(now)
		}
		return ""
	})
	r.Wait(5*time.Second, "it to be armed", func() string {
		if n := count(r.leader.Log(), "fence armed"); n < 2 {
			return fmt.Sprint(n, " times")
		}
		return ""
	})
	r.recovered(20 * time.Second)
	r.undisturbed("the fence was killed")
	r.noneLost()
}
