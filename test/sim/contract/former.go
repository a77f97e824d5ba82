package contract

import (
	"context"
	"errors"
	"testing"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/cluster"
)

// FormerLeader is the promise about a leader whose znode somebody has deleted
// (remove does): once another leads, none of its writes is accepted, whether it
// has noticed or not.
func FormerLeader(t testing.TB, open func(member string) agent.Store, remove func()) {
	a, b := open("a"), open("b")
	ctx := context.Background()
	seen := view(t, b)
	lead(t, a)
	if err := a.SetStatus(ctx, cluster.Status{Optime: 5}); err != nil {
		t.Fatalf("write as leader: %v", err)
	}
	version, err := a.SetSync(ctx, cluster.SyncState{Leader: "a"}, cluster.NoVersion)
	if err != nil {
		t.Fatalf("write as leader: %v", err)
	}
	remove()
	if won, err := b.Acquire(ctx, seen); !won || err != nil {
		t.Fatalf("acquire the lock that was removed: won %v, err %v", won, err)
	}
	_, syncErr := a.SetSync(ctx, cluster.SyncState{Leader: "a", Standbys: []string{"c"}}, version)
	for what, err := range map[string]error{
		"status":   a.SetStatus(ctx, cluster.Status{Optime: 6}),
		"history":  a.SetHistory(ctx, cluster.History{{Timeline: 1, LSN: 9}}),
		"failsafe": a.SetFailsafe(ctx, map[string]string{"a": "http://a"}),
		"sync":     syncErr,
		"nothing":  a.CheckSync(ctx, version),
		"a free lock": a.Release(ctx, cluster.Status{
			Optime: 7,
		}),
	} {
		if !errors.Is(err, cluster.ErrNotLeader) && !errors.Is(err, cluster.ErrConflict) {
			t.Errorf("the former leader writes %s: got %v, want a refusal", what, err)
		}
	}
	if err := b.SetStatus(ctx, cluster.Status{Optime: 8}); err != nil {
		t.Errorf("the leader writes: %v", err)
	}
	c := view(t, b)
	if c.LeaderName() != "b" || c.Status.Optime != 8 || c.Sync.Version != version || len(c.History) > 0 || len(c.Failsafe) > 0 {
		t.Errorf("the former leader has changed the keys: %+v", c)
	}
}
