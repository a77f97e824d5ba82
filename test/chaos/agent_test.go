package chaos

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// takeoverWait is the fence's patience in seconds: far less than the ttl of
// these cases, so that the two are told apart.
const takeoverWait = 2

// successorLimit is far from takeoverWait, for a busy machine, and below the
// ttl: no session has to expire.
const successorLimit = 20 * time.Second

// patience configures takeoverWait.
func patience(string) string { return patienceOf(takeoverWait) }

func patienceOf(seconds int) string {
	return fmt.Sprintf("fence:\n  mode: required\n  takeover_wait: %d\n", seconds)
}

// Case 1: the agent of the primary dies and does not come back.
func TestAgentKilled(t *testing.T) {
	b := newBed(t, options{dcs: lab.DefaultDCS, node: patience})
	b.leader.KillAgent()
	took := b.awaitSuccessor(45 * time.Second)
	t.Logf("another primary after %v, the ttl is 30 s", took.Round(time.Millisecond))
	if took > successorLimit {
		t.Errorf("another primary after %v, want at most %v", took, successorLimit)
	}
	if pids := b.leader.Servers(); len(pids) > 0 {
		t.Errorf("PostgreSQL of %s runs on without an agent, pids %v", b.leader.Name, pids)
	}
	b.leader.Start()
	b.recovered("agent killed")
	isStandby(t, b.leader)
}

// Case 2: the agent of the primary dies and is started again before the
// fence's patience ends, as systemd does.
func TestAgentKilledAndStartedInTime(t *testing.T) {
	const wait = 6 // seconds
	b := newBed(t, options{dcs: lab.DefaultDCS, node: func(string) string { return patienceOf(wait) }})
	pid := b.leader.Postmaster()
	b.leader.KillAgent()
	b.awaitWrites(time.Now(), b.leader.Name, 50, wait*time.Second)
	b.leader.Start()
	b.hold((wait + 2) * time.Second) // what would have been too late for it
	r := b.recovered("agent killed, started in time")
	steady(t, r)
	b.sameLeader()
	if got := b.leader.Postmaster(); got != pid {
		t.Errorf("PostgreSQL has pid %d, had %d", got, pid)
	}
	if n := len(r.LostAround); n > 0 {
		t.Errorf("%d acknowledged rows are missing", n)
	}
}

// Case 3: the agent of the primary is frozen until long after its session has
// expired, and goes on.
func TestAgentFrozen(t *testing.T) {
	b := newBed(t, options{dcs: fast})
	b.leader.Signal(syscall.SIGSTOP)
	t.Cleanup(func() { b.leader.Signal(syscall.SIGCONT) })
	took := b.awaitSuccessor(3 * fastTTL)
	b.hold(long(2*fastTTL, fastTTL+15*time.Second) - time.Since(b.from))
	b.leader.Signal(syscall.SIGCONT)
	b.recovered(fmt.Sprintf("agent frozen (another primary after %v)", took.Round(time.Millisecond)))
	if b.Leader() == b.leader {
		t.Errorf("%s leads again", b.leader.Name)
	}
	isStandby(t, b.leader)
}

// Case 4: a node that needs a watchdog and has none is not promoted.
func TestRequiredWatchdogMissing(t *testing.T) {
	b := newBed(t, options{dcs: fast, nodes: 2, first: "pg1", node: func(name string) string {
		if name == "pg2" {
			return "watchdog:\n  mode: required\n  device: /nowhere/watchdog\n"
		}
		return ""
	}})
	b.leader.KillAll()
	b.hold(fastTTL + 5*time.Second)
	if count, _ := b.load.Since(b.from, "pg2"); count > 0 {
		t.Errorf("pg2 acknowledged %d writes without the watchdog that it requires", count)
	}
	isStandby(t, b.Node("pg2"))
	if !strings.Contains(b.Node("pg2").Log(), "watchdog") {
		t.Error("the log of pg2 says nothing of a watchdog")
	}
	b.leader.Start()
	b.recovered("watchdog required but missing")
	if b.Leader() != b.leader {
		t.Errorf("the leader is %s, want %s, which needs no watchdog", b.Leader().Name, b.leader.Name)
	}
}

// Case 8: the fence of the primary dies.
func TestFenceKilled(t *testing.T) {
	b := newBed(t, options{dcs: lab.DefaultDCS, node: patience})
	before := b.leader.Fences()
	if len(before) != 1 {
		t.Fatalf("the primary has the fences %v, want one", before)
	}
	_ = syscall.Kill(before[0], syscall.SIGKILL)
	var another bool
	b.Wait(5*time.Second, "another fence, or a demotion", func() string {
		now := b.leader.Fences()
		another = len(now) == 1 && !slices.Equal(now, before)
		if recovery, err := b.leader.Query("SELECT pg_is_in_recovery()"); !another && (err != nil || recovery != "true") {
			return fmt.Sprintf("fences %v, in recovery: %s (%v)", now, recovery, err)
		}
		return ""
	})
	t.Logf("another fence: %v, after %v", another, time.Since(b.from).Round(time.Millisecond))
	r := b.recovered("fence killed")
	if another {
		steady(t, r)
		b.sameLeader()
	}
	b.stillFenced()
}

// stillFenced checks that the present primary's fence does its duty: its
// agent dies, and another node takes over.
func (b *bed) stillFenced() {
	b.t.Helper()
	b.settle()
	b.leader.KillAgent()
	if took := b.awaitSuccessor(45 * time.Second); took > successorLimit {
		b.t.Errorf("the agent was killed too: another primary after %v, want at most %v", took, successorLimit)
	}
	b.leader.Start()
	b.recovered("agent killed after its fence was replaced")
}
