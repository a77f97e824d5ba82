package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// An upgrade of the package asks each agent to leave, and the unit starts the
// next one: neither the leader nor any PostgreSQL may change, and no write may
// be refused.
func TestAgentsReplacedUnderLoad(t *testing.T) {
	r := under(t, lab.DefaultDCS)
	servers := map[*lab.Node]int{}
	for _, n := range r.Nodes {
		servers[n] = n.Postmaster()
	}
	for _, n := range r.Nodes {
		n.Signal(syscall.SIGUSR2)
		if code := n.WaitExit(20 * time.Second); code != 75 {
			t.Fatalf("%s: exit code %d, want 75", n.Name, code)
		}
		n.Start()
		r.WaitHealthy(30 * time.Second)
	}
	gap := r.recovered(20 * time.Second)
	if gap > time.Second {
		t.Errorf("writes stood still for %v", gap)
	}
	t.Logf("longest gap between two writes %v", gap.Round(time.Millisecond))
	for n, pid := range servers {
		if now := n.Postmaster(); now != pid {
			t.Errorf("%s: PostgreSQL was %d and is %d", n.Name, pid, now)
		}
	}
	if r.Leader() != r.leader {
		t.Errorf("the leader changed to %s", r.Leader().Name)
	}
	r.noneLost()
}
