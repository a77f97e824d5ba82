package contract

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/cluster"
)

// Case is one promise of a store. open starts the store of a member, which
// ends with the test; all of a case are of one cluster.
type Case struct {
	Name string
	Run  func(t testing.TB, open func(member string) agent.Store)
}

// limit bounds every wait.
const limit = 60 * time.Second

// StoreCases are the promises of agent.Store.
func StoreCases() []Case {
	return []Case{
		{"one member holds the lock", oneHolds},
		{"a release lets the next epoch begin", release},
		{"only the leader writes the leader's keys", leaderKeys},
		{"conditions are kept", conditions},
		{"members see each other", members},
		{"the bootstrap race has one winner", bootstrap},
		{"an acquisition blanks the request that it answers", blanks},
	}
}

// eventually waits until ok, however the clock goes.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, limit)
		}
	}
}

// view is a fresh view.
func view(t testing.TB, s agent.Store) *cluster.Cluster {
	t.Helper()
	var c *cluster.Cluster
	eventually(t, "read the view", func() bool {
		s.Invalidate()
		var err error
		c, err = s.Load(context.Background())
		return err == nil
	})
	return c
}

// lead makes s the holder of the free lock.
func lead(t testing.TB, s agent.Store) {
	t.Helper()
	eventually(t, "acquire the free lock", func() bool {
		won, err := s.Acquire(context.Background(), view(t, s))
		return won && err == nil
	})
}

func oneHolds(t testing.TB, open func(string) agent.Store) {
	a, b := open("a"), open("b")
	if a.Lease().Held() || view(t, a).Leader != nil {
		t.Fatal("a new cluster has a leader")
	}
	lead(t, a)
	l := a.Lease()
	if !l.Held() || l.Timeout <= 0 || l.Interval <= 0 || l.Sent == 0 {
		t.Errorf("the winner's lease is %+v", l)
	}
	won, err := b.Acquire(context.Background(), view(t, b))
	if won || err != nil || b.Lease().Held() {
		t.Errorf("the second: won %v, err %v, lease %+v", won, err, b.Lease())
	}
	eventually(t, "the other sees the leader", func() bool {
		c := view(t, b)
		return c.LeaderName() == "a" && c.Leader.Epoch == l.Epoch && c.Leader.Session == a.SessionID()
	})
	eventually(t, "the lease is renewed", func() bool { return a.Lease().Sent > l.Sent })
	if got := a.Lease().Epoch; got != l.Epoch {
		t.Errorf("the epoch changed from %d to %d", l.Epoch, got)
	}
}

func release(t testing.TB, open func(string) agent.Store) {
	a, b := open("a"), open("b")
	lead(t, a)
	first := a.Lease().Epoch
	if err := a.Release(context.Background(), cluster.Status{Optime: 77, Released: first}); err != nil {
		t.Fatalf("release: %v", err)
	}
	if a.Lease().Held() {
		t.Error("the lease outlives its release")
	}
	eventually(t, "the other sees a free lock and the status", func() bool {
		c := view(t, b)
		return c.Leader == nil && c.Status.Optime == 77 && c.Status.Released == first
	})
	if err := a.Release(context.Background(), cluster.Status{}); !errors.Is(err, cluster.ErrNotLeader) {
		t.Errorf("a second release: got %v, want %v", err, cluster.ErrNotLeader)
	}
	lead(t, b)
	if got := b.Lease().Epoch; got <= first {
		t.Errorf("epoch %d follows %d", got, first)
	}
}

func leaderKeys(t testing.TB, open func(string) agent.Store) {
	a, b := open("a"), open("b")
	lead(t, a)
	ctx := context.Background()
	for name, s := range map[string]agent.Store{"the leader": a, "another": b} {
		var want error
		if s == b {
			view(t, b) // so that it is connected
			want = cluster.ErrNotLeader
		}
		_, syncErr := s.SetSync(ctx, cluster.SyncState{Leader: "a"}, cluster.NoVersion)
		for what, err := range map[string]error{
			"status":   s.SetStatus(ctx, cluster.Status{Optime: 5}),
			"history":  s.SetHistory(ctx, cluster.History{{Timeline: 1, LSN: 9, Reason: "x"}}),
			"failsafe": s.SetFailsafe(ctx, map[string]string{"a": "http://a"}),
			"sync":     syncErr,
		} {
			if !errors.Is(err, want) || want == nil && err != nil {
				t.Errorf("%s writes %s: got %v, want %v", name, what, err, want)
			}
		}
	}
	eventually(t, "the keys can be read", func() bool {
		c := view(t, b)
		return c.Status.Optime == 5 && c.History.ClusterTimeline() == 2 && c.Failsafe["a"] == "http://a" && c.Sync.Leader == "a"
	})
}

func conditions(t testing.TB, open func(string) agent.Store) {
	a := open("a")
	lead(t, a)
	ctx := context.Background()
	version, err := a.SetSync(ctx, cluster.SyncState{Leader: "a"}, cluster.NoVersion)
	if err != nil {
		t.Fatalf("create the sync key: %v", err)
	}
	if _, err := a.SetSync(ctx, cluster.SyncState{Leader: "a", Standbys: []string{"b"}}, version); err != nil {
		t.Errorf("replace the sync key: %v", err)
	}
	if _, err := a.SetSync(ctx, cluster.SyncState{}, version); !errors.Is(err, cluster.ErrConflict) {
		t.Errorf("replace an old sync key: got %v, want %v", err, cluster.ErrConflict)
	}
	if c := view(t, a); c.Sync.Version != version+1 || !c.Sync.HasStandby("b") {
		t.Errorf("the sync key is %+v", c.Sync)
	}
	f := cluster.Failover{Leader: "a", Candidate: "b"}
	if err := a.SetFailover(ctx, f, cluster.NoVersion); err != nil {
		t.Errorf("create a request: %v", err)
	}
	if err := a.SetFailover(ctx, f, cluster.NoVersion); !errors.Is(err, cluster.ErrConflict) {
		t.Errorf("create a second request: got %v, want %v", err, cluster.ErrConflict)
	}
	c := view(t, a)
	if err := a.SetFailover(ctx, cluster.Failover{}, c.Failover.Version); err != nil || view(t, a).Failover.Pending() {
		t.Errorf("clear the request: %v", err)
	}
	if err := a.SetFailover(ctx, f, c.Failover.Version); !errors.Is(err, cluster.ErrConflict) {
		t.Errorf("write over a newer one: got %v, want %v", err, cluster.ErrConflict)
	}
}

func members(t testing.TB, open func(string) agent.Store) {
	a, b := open("a"), open("b")
	if a.MemberCurrent() {
		t.Error("a member key that was never written is current")
	}
	data := cluster.MemberData{APIURL: "http://a", State: cluster.StateRunning, Role: cluster.RoleReplica}
	eventually(t, "write the member key", func() bool { return a.SetMember(context.Background(), data) == nil })
	if !a.MemberCurrent() {
		t.Error("the member key is not current")
	}
	eventually(t, "the other sees the member", func() bool {
		m := view(t, b).Member("a")
		return m != nil && m.Data.APIURL == "http://a" && m.Session == a.SessionID()
	})
	data.State = cluster.StateStopped
	if err := a.SetMember(context.Background(), data); err != nil {
		t.Errorf("change the member key: %v", err)
	}
	eventually(t, "the other hears of the change", func() bool {
		select {
		case <-b.Changed():
		default:
		}
		c, err := b.Load(context.Background()) // not invalidated: a watch must have fired
		return err == nil && c.Member("a") != nil && c.Member("a").Data.State == cluster.StateStopped
	})
}

func bootstrap(t testing.TB, open func(string) agent.Store) {
	a, b := open("a"), open("b")
	view(t, a)
	view(t, b)
	ctx := context.Background()
	won, err := a.CreateInitialize(ctx)
	if !won || err != nil {
		t.Fatalf("the first: won %v, err %v", won, err)
	}
	if won, err := b.CreateInitialize(ctx); won || err != nil {
		t.Errorf("the second: won %v, err %v", won, err)
	}
	if err := a.SetInitialize(ctx, "7000000000000000001"); err != nil {
		t.Errorf("write the system identifier: %v", err)
	}
	if err := a.SetInitialize(ctx, "7000000000000000001"); err != nil {
		t.Errorf("write it again: %v", err)
	}
	if err := b.SetInitialize(ctx, "7000000000000000002"); !errors.Is(err, cluster.ErrConflict) {
		t.Errorf("write another: got %v, want %v", err, cluster.ErrConflict)
	}
	eventually(t, "it can be read", func() bool { return view(t, b).SystemID() == "7000000000000000001" })
	if err := b.DeleteInitialize(ctx); err != nil || view(t, b).Initialize != nil {
		t.Errorf("delete it: %v", err)
	}
}

func blanks(t testing.TB, open func(string) agent.Store) {
	a := open("a")
	view(t, a)
	if err := a.SetFailover(context.Background(), cluster.Failover{Leader: "b", Candidate: "a"}, cluster.AnyVersion); err != nil {
		t.Fatalf("write a request: %v", err)
	}
	lead(t, a)
	if f := view(t, a).Failover; f.Pending() || !f.Exists {
		t.Errorf("the request is %+v", f)
	}
}
