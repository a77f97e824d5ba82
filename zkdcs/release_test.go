package zkdcs

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
)

func TestFailedReleaseIsRetried(t *testing.T) {
	for name, tc := range map[string]struct {
		fault func(*node)
		mend  func(*testing.T, *node)
	}{
		"hung": {
			func(a *node) { a.proxy.Hang() },
			func(_ *testing.T, a *node) { a.proxy.Cut(); a.proxy.Resume() },
		},
		"refused": {
			func(a *node) { a.proxy.Refuse() },
			func(t *testing.T, a *node) {
				if err := a.proxy.Accept(); err != nil {
					t.Fatal(err)
				}
			},
		},
		"hung, then late": { // what was sent is not lost
			func(a *node) { a.proxy.Hang() },
			func(_ *testing.T, a *node) { a.proxy.Resume() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			long := func(o *Options) { o.SessionTimeout = 20 * time.Second }
			a, b := start(t, "a", long), start(t, "b")
			a.acquire(t)
			session := a.SessionID()
			b.awaitView(t, "leader a", func(c *cluster.Cluster) bool { return c.LeaderName() == "a" })
			tc.fault(a)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			err := a.Release(ctx, cluster.Status{Optime: 77})
			if !errors.Is(err, cluster.ErrUnreachable) && !errors.Is(err, cluster.ErrOutcomeUnknown) {
				t.Fatalf("release: got %v, want ErrUnreachable or ErrOutcomeUnknown", err)
			}
			tc.mend(t, a)
			begin := time.Now()
			c := b.awaitView(t, "no leader", func(c *cluster.Cluster) bool { return c.Leader == nil })
			t.Logf("gone after %v", time.Since(begin))
			if took := time.Since(begin); took > 12*time.Second {
				t.Errorf("gone after %v, as if the session had to expire", took)
			}
			if c.Status.Optime != 77 {
				t.Errorf("got optime %d, want 77", c.Status.Optime)
			}
			b.acquire(t)
			a.await(t, "the end of the retries", func() bool { return a.pending() == nil })
			if a.SessionID() != session || a.Lease().Held() {
				t.Errorf("got session %#x, lease %v; want %#x, none", a.SessionID(), a.Lease().Held(), session)
			}
			if c := b.awaitView(t, "a view", func(*cluster.Cluster) bool { return true }); c.LeaderName() != "b" {
				t.Errorf("got leader %q, want b", c.LeaderName())
			}
		})
	}
}

func TestReleaseRidesOutAnOutage(t *testing.T) {
	for name, fault := range map[string]func(*node){
		"cut":         func(a *node) { a.proxy.Cut() },
		"lost answer": func(a *node) { a.proxy.DropAnswers() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t, "a")
			first := a.acquire(t)
			fault(a)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := a.Release(ctx, cluster.Status{}); err != nil {
				t.Fatalf("release: %v", err)
			}
			if second := a.acquireSoon(t); second <= first.Epoch {
				t.Errorf("got epoch %d, want more than %d", second, first.Epoch)
			}
		})
	}
}

func TestAcquireFinishesAPendingRelease(t *testing.T) {
	t.Parallel()
	a := start(t, "a")
	first := a.acquire(t)
	// Noted, but nobody has tried yet.
	p := a.giveUp(cluster.Status{Optime: 9})
	if a.Lease().Held() {
		t.Error("lease outlives the release")
	}
	if second := a.acquireSoon(t); second <= first.Epoch {
		t.Errorf("got epoch %d, want more than %d", second, first.Epoch)
	}
	if a.pending() == p {
		t.Error("release still pends")
	}
	if !a.Lease().Held() {
		t.Error("no lease")
	}
}

// acquireSoon acquires as soon as there is a connection.
func (n *node) acquireSoon(t *testing.T) cluster.Epoch {
	t.Helper()
	n.await(t, "the lock", func() bool {
		ok, err := n.Acquire(t.Context(), nil)
		return ok && err == nil
	})
	return n.Lease().Epoch
}

// TestLateReleaseSparesTheNext lets an attempt that has read the old leader
// znode go on only after an earlier one was applied and another member leads.
func TestLateReleaseSparesTheNext(t *testing.T) {
	t.Parallel()
	a, b := start(t, "a"), start(t, "b")
	a.acquire(t)
	l, sess, err := a.connected()
	if err != nil {
		t.Fatal(err)
	}
	stale, err := a.readLeadership(t.Context(), l, sess, &pendingRelease{})
	if err != nil || !stale.ours || !stale.fenced {
		t.Fatalf("got %+v, %v", stale, err)
	}
	if err := a.Release(t.Context(), cluster.Status{}); err != nil {
		t.Fatal(err)
	}
	b.acquireSoon(t)
	err = a.letGo(t.Context(), l, stale, cluster.Status{})
	if !errors.Is(err, cluster.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if exists, _, err := raw(t).Exists(a.paths.of(keyLeader)); !exists || err != nil {
		t.Errorf("b's leader znode: exists %v, %v", exists, err)
	}
}

func TestReleaseWithoutKnownEpoch(t *testing.T) {
	t.Parallel()
	a := start(t, "a")
	l, _, err := a.connected()
	if err != nil {
		t.Fatal(err)
	}
	// Created without this store's knowledge, as after a lost answer.
	if err := createNode(t.Context(), l, a.paths.of(keyLeader), []byte("a"), zk.FlagEphemeral); err != nil {
		t.Fatal(err)
	}
	if err := a.Release(t.Context(), cluster.Status{}); err != nil {
		t.Errorf("release: %v", err)
	}
	if err := a.Release(t.Context(), cluster.Status{}); !errors.Is(err, cluster.ErrNotLeader) {
		t.Errorf("release again: got %v, want ErrNotLeader", err)
	}
	a.awaitView(t, "no leader", func(c *cluster.Cluster) bool { return c.Leader == nil })
}
