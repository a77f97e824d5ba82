package chaos

import (
	"syscall"
	"testing"
	"time"
)

// What nobody can prevent without a watchdog: the agent and its fence die
// together, and nothing is left that could stop PostgreSQL. It shows as well
// that the bed sees two primaries when there are two.
func TestAgentAndFenceKilledTogether(t *testing.T) {
	b := newBed(t, options{dcs: fast})
	fences := b.leader.Fences()
	if len(fences) != 1 {
		t.Fatalf("the primary has the fences %v, want one", fences)
	}
	_ = syscall.Kill(b.leader.Pid(), syscall.SIGSTOP) // it must not start another fence
	_ = syscall.Kill(fences[0], syscall.SIGKILL)
	b.leader.KillAgent()
	b.awaitSuccessor(4 * fastTTL)
	b.hold(time.Second)
	b.leader.Start()
	r := b.judge("agent and fence killed together, no watchdog")
	if r.Overlap == 0 {
		t.Error("two primaries were expected, and none were seen")
	}
	if len(r.LostSettled) > 0 {
		t.Errorf("%d rows are missing that were on all nodes before", len(r.LostSettled))
	}
	isStandby(t, b.leader)
}

// frozenLimit bounds how late a frozen primary may acknowledge a write after
// it has woken: its fence wakes with it, but the processes race.
const frozenLimit = 100 * time.Millisecond

// A whole node is frozen until long after its session has expired, and goes
// on: PostgreSQL wakes together with the fence that has to stop it. The fence
// gets its signal first, as a host's scheduler may or may not have it.
func TestNodeFrozen(t *testing.T) {
	b := newBed(t, options{dcs: fast})
	pids := append(b.leader.Fences(), b.leader.Servers()...)
	pids = append(pids, b.leader.Pid())
	send := func(s syscall.Signal) {
		for _, pid := range pids {
			_ = syscall.Kill(pid, s)
		}
	}
	send(syscall.SIGSTOP)
	t.Cleanup(func() { send(syscall.SIGCONT) })
	b.awaitSuccessor(4 * fastTTL)
	b.hold(long(fastTTL, fastTTL+15*time.Second))
	woken := time.Now()
	send(syscall.SIGCONT)
	b.judge("whole node frozen, no watchdog")
	var count int
	var last time.Duration
	for _, a := range b.load.Acks() {
		if a.Node == b.leader.Name && a.Done.After(woken) {
			count, last = count+1, a.Done.Sub(woken)
		}
	}
	t.Logf("the woken primary acknowledged %d writes, the last after %v", count, last)
	if last > frozenLimit {
		t.Errorf("the woken primary acknowledged a write after %v, want at most %v", last, frozenLimit)
	}
	isStandby(t, b.leader)
}
