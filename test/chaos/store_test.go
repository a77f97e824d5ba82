package chaos

import (
	"testing"
	"time"
)

// allServers is how many there are to be stopped at once. The cluster can't
// tell one from three then, but three take long to start.
func allServers() int {
	if nightly() {
		return 3
	}
	return 1
}

// Case 6, without failsafe_mode: the primary demotes itself in time.
func TestStoreStopped(t *testing.T) {
	b := newBed(t, options{dcs: fast, servers: allServers()})
	b.ensemble.Kill()
	b.hold(long(3*fastTTL, 45*time.Second))
	acks := b.load.Acks()
	last := acks[len(acks)-1].Done.Sub(b.from)
	t.Logf("last write acknowledged %v after ZooKeeper went", last.Round(time.Millisecond))
	if last > fastTTL {
		t.Errorf("a write was acknowledged %v after ZooKeeper went, the session lasts %v", last, fastTTL)
	}
	for _, n := range b.Nodes {
		isStandby(t, n)
	}
	b.ensemble.Start()
	r := b.recovered("ZooKeeper stopped")
	if n := len(r.LostAround); n > 0 {
		t.Errorf("%d acknowledged rows are missing though no node died", n)
	}
}

// Case 6, with failsafe_mode: all members answer, and nothing stops.
func TestStoreStoppedInFailsafeMode(t *testing.T) {
	b := newBed(t, options{dcs: "failsafe_mode: true\n" + fast, servers: allServers()})
	b.ensemble.Kill()
	b.hold(long(3*fastTTL, 45*time.Second))
	b.ensemble.Start()
	b.hold(fastTTL) // until sessions of before would have expired
	r := b.recovered("ZooKeeper stopped, failsafe mode")
	steady(t, r)
	b.sameLeader()
	if n := len(r.LostAround); n > 0 {
		t.Errorf("%d acknowledged rows are missing though no node died", n)
	}
}

// Case 7: each server of an ensemble is killed and started again, its leader
// last. The ttl leaves room for an election.
func TestEnsembleRollingRestart(t *testing.T) {
	b := newBed(t, options{dcs: "ttl: 10\nloop_wait: 2\nretry_timeout: 3\n", servers: 3})
	first := b.ensemble.Leader()
	order := make([]*Server, 0, len(b.ensemble.Servers))
	for _, s := range b.ensemble.Servers {
		if s != first {
			order = append(order, s)
		}
	}
	for _, s := range append(order, first) {
		b.from = time.Now()
		role := "follower"
		if s == b.ensemble.Leader() {
			role = "leader"
		}
		s.Kill()
		b.hold(long(2*time.Second, 5*time.Second))
		s.Start()
		s.WaitServing()
		steady(t, b.recovered("ZooKeeper "+role+" killed and started"))
	}
	b.sameLeader()
}
