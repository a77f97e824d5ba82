package zkdcs

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

func TestOneOfTwoAcquires(t *testing.T) {
	t.Parallel()
	nodes := []*node{start(t, "n0"), start(t, "n1")}
	won := make([]bool, 2)
	var wg sync.WaitGroup
	for i, n := range nodes {
		view := n.view(t)
		wg.Go(func() {
			var err error
			if won[i], err = n.Acquire(t.Context(), view); err != nil {
				t.Errorf("acquire: %v", err)
			}
		})
	}
	wg.Wait()
	if won[0] == won[1] {
		t.Fatalf("got winners %v, want one", won)
	}
	for i, n := range nodes {
		if got := n.Lease().Held(); got != won[i] {
			t.Errorf("n%d: got lease %v, want %v", i, got, won[i])
		}
		c := n.awaitView(t, "the leader", func(c *cluster.Cluster) bool { return c.Leader != nil })
		if mine := c.Leader.Session == n.SessionID(); mine != won[i] {
			t.Errorf("n%d: leader of session %#x, own %#x, won %v", i, c.Leader.Session, n.SessionID(), won[i])
		}
	}
}

func TestReleaseWakesTheOther(t *testing.T) {
	t.Parallel()
	a, b := start(t, "a"), start(t, "b")
	first := a.acquire(t)
	b.awaitView(t, "leader a", func(c *cluster.Cluster) bool { return c.LeaderName() == "a" })
	drain(b.Changed())
	begin := time.Now()
	if err := a.Release(t.Context(), cluster.Status{Optime: 77}); err != nil {
		t.Fatalf("release: %v", err)
	}
	if a.Lease().Held() {
		t.Error("lease outlives the release")
	}
	select {
	case <-b.Changed():
	case <-time.After(patience):
		t.Fatal("not woken")
	}
	t.Logf("woken after %v", time.Since(begin))
	c := b.awaitView(t, "no leader", func(c *cluster.Cluster) bool { return c.Leader == nil })
	if c.Status.Optime != 77 {
		t.Errorf("got optime %d, want 77", c.Status.Optime)
	}
	if second := b.acquire(t); second.Epoch <= first.Epoch {
		t.Errorf("got epoch %d, want more than %d", second.Epoch, first.Epoch)
	}
	if err := a.Release(t.Context(), cluster.Status{}); !errors.Is(err, cluster.ErrNotLeader) {
		t.Errorf("release of another's lock: got %v, want ErrNotLeader", err)
	}
	if c := b.view(t); c.LeaderName() != "b" {
		t.Errorf("got leader %q, want b", c.LeaderName())
	}
}

func TestAcquireBlanksTheRequest(t *testing.T) {
	later := time.Now().Add(time.Hour)
	for name, tc := range map[string]struct {
		request cluster.Failover
		stale   bool // changed after the view was read
		older   bool // beside a member that reads the keys one by one
		blank   bool
	}{
		"due":                    {request: cluster.Failover{Leader: "x"}, blank: true},
		"scheduled for us":       {request: cluster.Failover{Leader: "x", Candidate: "a", ScheduledAt: later}, blank: true},
		"scheduled for others":   {request: cluster.Failover{Leader: "x", Candidate: "b", ScheduledAt: later}},
		"same request rewritten": {request: cluster.Failover{Leader: "x"}, stale: true, blank: true},
		"older member":           {request: cluster.Failover{Leader: "x"}, older: true},
		"older member, our own":  {request: cluster.Failover{Leader: "a"}, older: true, blank: true},
		"older member, failover": {request: cluster.Failover{Candidate: "a"}, older: true, blank: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t, "a")
			set := func() {
				if err := a.SetFailover(t.Context(), tc.request, cluster.AnyVersion); err != nil {
					t.Fatal(err)
				}
			}
			set()
			if tc.older {
				ephemeral(t, raw(t), a.paths.member("x"), `{"version":"3.0.2"}`)
				a.Invalidate()
			}
			view := a.awaitView(t, "the request", func(c *cluster.Cluster) bool {
				return c.Failover.Pending() && (!tc.older || len(c.Members) == 1)
			})
			if tc.stale {
				set()
			}
			if ok, err := a.Acquire(t.Context(), view); !ok || err != nil {
				t.Fatalf("acquire: got %v, %v", ok, err)
			}
			a.Invalidate()
			if got := !a.view(t).Failover.Pending(); got != tc.blank {
				t.Errorf("got blank %v, want %v", got, tc.blank)
			}
		})
	}
}

func TestLeaseIsRenewedAndEndsWhileCutOff(t *testing.T) {
	t.Parallel()
	a := start(t, "a")
	first := a.acquire(t)
	a.await(t, "a renewal", func() bool { return first.Sent.Before(a.Lease().Sent) })
	a.proxy.Hang()
	held := a.Lease()
	a.await(t, "the end of the lease", func() bool { return !a.Lease().Valid(lease.Now()) })
	if now := lease.Now(); held.Hard().Add(time.Second).Before(now) {
		t.Errorf("lease ended %v after its hard deadline", now.Sub(held.Hard()))
	}
}

func TestShortOutageKeepsSessionAndEpoch(t *testing.T) {
	t.Parallel()
	a := start(t, "a")
	first := a.acquire(t)
	session := a.SessionID()
	a.proxy.Cut()
	a.await(t, "a renewal", func() bool { l := a.Lease(); return first.Sent.Before(l.Sent) && l.Valid(lease.Now()) })
	if got := a.Lease().Epoch; got != first.Epoch {
		t.Errorf("got epoch %d, want %d", got, first.Epoch)
	}
	if got := a.SessionID(); got != session {
		t.Errorf("got session %#x, want %#x", got, session)
	}
}

func TestExpiredSessionEndsTheLease(t *testing.T) {
	t.Parallel()
	short := func(o *Options) { o.SessionTimeout = time.Second }
	a, b := start(t, "a", short), start(t, "b")
	first := a.acquire(t)
	session := a.SessionID()
	if err := a.SetMember(t.Context(), cluster.MemberData{State: cluster.StateRunning}); err != nil {
		t.Fatal(err)
	}
	a.proxy.Refuse()
	b.awaitView(t, "no leader", func(c *cluster.Cluster) bool { return c.Leader == nil })
	second := b.acquire(t)
	if second.Epoch <= first.Epoch {
		t.Errorf("got epoch %d, want more than %d", second.Epoch, first.Epoch)
	}
	if err := a.proxy.Accept(); err != nil {
		t.Fatal(err)
	}
	a.await(t, "a new session", func() bool {
		_, sess, err := a.connected()
		return err == nil && sess.ID != session
	})
	a.await(t, "a view", func() bool { _, err := a.Load(t.Context()); return err == nil })
	if a.Lease().Held() {
		t.Error("lease outlives its session")
	}
	ok, err := a.Acquire(t.Context(), a.view(t))
	if ok || err != nil {
		t.Errorf("acquire: got %v, %v, want false", ok, err)
	}
	if err := a.SetStatus(t.Context(), cluster.Status{Optime: 1}); !errors.Is(err, cluster.ErrNotLeader) {
		t.Errorf("set status: got %v, want ErrNotLeader", err)
	}
	if err := a.SetMember(t.Context(), cluster.MemberData{State: cluster.StateRunning}); err != nil {
		t.Errorf("set member again: %v", err)
	}
	a.awaitView(t, "the member", func(c *cluster.Cluster) bool { return c.Member("a") != nil })
}

func TestForeignDeletionEndsTheLease(t *testing.T) {
	t.Parallel()
	a, b := start(t, "a"), start(t, "b")
	a.acquire(t)
	drain(a.Changed())
	c := raw(t)
	if err := c.Delete(a.paths.of(keyLeader), -1); err != nil {
		t.Fatal(err)
	}
	// Another leader znode passes a check of its version, but is not ours.
	if ok, err := b.Acquire(t.Context(), nil); !ok || err != nil {
		t.Fatalf("acquire: got %v, %v", ok, err)
	}
	a.await(t, "the end of the lease", func() bool { return !a.Lease().Held() })
	if !b.Lease().Held() {
		t.Error("b has no lease")
	}
}

func TestLostAnswerOfCreateIsReadBack(t *testing.T) {
	t.Parallel()
	a := start(t, "a")
	view := a.view(t)
	if err := a.SetMember(t.Context(), cluster.MemberData{State: cluster.StateRunning}); err != nil {
		t.Fatal(err) // so that the create is the first request
	}
	a.proxy.DropAnswers()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ok, err := a.Acquire(ctx, view)
	if !ok || err != nil {
		t.Fatalf("acquire: got %v, %v, want true", ok, err)
	}
	if !a.Lease().Valid(lease.Now()) {
		t.Error("no valid lease")
	}
}

func TestLockWonUnawaresIsAdopted(t *testing.T) {
	t.Parallel()
	a, b := start(t, "a"), start(t, "b")
	view := a.view(t)
	if err := a.SetMember(t.Context(), cluster.MemberData{State: cluster.StateRunning}); err != nil {
		t.Fatal(err) // so that the create is the first request
	}
	a.proxy.DropAnswers()
	ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
	defer cancel()
	if _, err := a.Acquire(ctx, view); !errors.Is(err, cluster.ErrOutcomeUnknown) {
		t.Fatalf("acquire: got %v, want ErrOutcomeUnknown", err)
	}
	b.awaitView(t, "leader a", func(c *cluster.Cluster) bool { return c.LeaderName() == "a" })
	a.await(t, "the lease", func() bool { return a.Lease().Valid(lease.Now()) })
}

func TestAbandonedCreateNeverAppears(t *testing.T) {
	t.Parallel()
	a := start(t, "a")
	view := a.view(t)
	if err := a.SetMember(t.Context(), cluster.MemberData{State: cluster.StateRunning}); err != nil {
		t.Fatal(err) // so that nothing is asked before the create is sent
	}
	session := a.SessionID()
	a.proxy.Hang()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := a.Acquire(ctx, view); !errors.Is(err, cluster.ErrOutcomeUnknown) {
		t.Fatalf("acquire: got %v, want ErrOutcomeUnknown", err)
	}
	a.proxy.Cut() // what was sent is lost; what is queued must be too
	a.proxy.Resume()
	a.await(t, "a write", func() bool {
		return a.SetFailover(t.Context(), cluster.Failover{}, cluster.AnyVersion) == nil
	})
	if got := a.SessionID(); got != session {
		t.Errorf("got session %#x, want %#x still", got, session)
	}
	a.Invalidate()
	if c := a.awaitView(t, "a view", func(*cluster.Cluster) bool { return true }); c.Leader != nil {
		t.Errorf("got leader %+v, want none", c.Leader)
	}
}

func TestResumeKeepsTheEpoch(t *testing.T) {
	t.Parallel()
	a := start(t, "a")
	first := a.acquire(t)
	if err := a.SetMember(t.Context(), cluster.MemberData{State: cluster.StateRunning}); err != nil {
		t.Fatal(err)
	}
	saved := a.session()
	a.stop()
	b := start(t, "a", func(o *Options) { o.Resume = &saved })
	if got := b.SessionID(); got != saved.ID {
		t.Fatalf("got session %#x, want %#x", got, saved.ID)
	}
	l := b.Lease()
	if l.Epoch != first.Epoch || !l.Valid(lease.Now()) {
		t.Errorf("got lease %+v, want a valid one of epoch %d", l, first.Epoch)
	}
	if err := b.SetMember(t.Context(), cluster.MemberData{State: cluster.StateStopped}); err != nil {
		t.Errorf("set member: %v", err)
	}
}

func TestResumeOfAnExpiredSessionStartsANewOne(t *testing.T) {
	t.Parallel()
	gone := Session{ID: 0x1234567, Password: [16]byte{1}, Timeout: 4 * time.Second}
	a := start(t, "a", func(o *Options) { o.Resume = &gone })
	if id := a.SessionID(); id == 0 || id == gone.ID {
		t.Errorf("got session %#x, want a new one", id)
	}
	a.acquire(t)
}

func TestCloseReleasesAtOnce(t *testing.T) {
	for name, stopFirst := range map[string]bool{"during run": false, "after run": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			long := func(o *Options) { o.SessionTimeout = 20 * time.Second }
			a, b := start(t, "a", long), start(t, "b")
			a.acquire(t)
			b.awaitView(t, "leader a", func(c *cluster.Cluster) bool { return c.Leader != nil })
			if stopFirst {
				a.stop()
			}
			begin := time.Now()
			if err := a.Close(t.Context()); err != nil {
				t.Fatalf("close: %v", err)
			}
			b.awaitView(t, "no leader", func(c *cluster.Cluster) bool { return c.Leader == nil })
			if took := time.Since(begin); took > 12*time.Second {
				t.Errorf("leader was gone after %v, as if the session had to expire", took)
			}
			if a.session() != (Session{}) {
				t.Error("the closed session is still saved")
			}
		})
	}
}

func TestADroppedSessionGivesTheLockAway(t *testing.T) {
	t.Parallel()
	a, b := start(t, "a"), start(t, "b")
	view := a.view(t)
	a.acquire(t)
	session := a.SessionID()
	a.DropSession(session + 1) // another: nothing happens
	if !a.Lease().Held() || a.SessionID() != session {
		t.Fatal("dropped although another session was named")
	}
	a.DropSession(session)
	if l := a.Lease(); l.Held() {
		t.Errorf("got lease %+v, want none", l)
	}
	b.awaitView(t, "no leader", func(c *cluster.Cluster) bool { return c.Leader == nil })
	a.await(t, "a new session", func() bool { id := a.SessionID(); return id != 0 && id != session })
	if got := a.session(); got.ID == session {
		t.Error("the dropped session is still remembered")
	}
	a.await(t, "the lock again", func() bool {
		won, err := a.Acquire(t.Context(), view)
		return err == nil && won
	})
}

// Without a way to the servers the session ends by its timeout, and the next
// one is not the old one resumed.
func TestASessionIsDroppedWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	a, b := start(t, "a"), start(t, "b")
	a.acquire(t)
	session := a.SessionID()
	a.proxy.Cut()
	a.proxy.Hang()
	a.DropSession(session)
	if l := a.Lease(); l.Held() {
		t.Errorf("got lease %+v, want none", l)
	}
	a.proxy.Cut()
	a.proxy.Resume()
	a.await(t, "a new session", func() bool { id := a.SessionID(); return id != 0 && id != session })
	b.awaitView(t, "no leader", func(c *cluster.Cluster) bool { return c.Leader == nil })
}
