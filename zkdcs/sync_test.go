package zkdcs

import (
	"errors"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

func TestSyncKeyDecidesWhoMayAcquire(t *testing.T) {
	t.Parallel()
	a, b := start(t, "a"), start(t, "b")
	ctx := t.Context()
	if _, err := a.SetSync(ctx, cluster.SyncState{Leader: "a"}, cluster.NoVersion); !errors.Is(err, cluster.ErrNotLeader) {
		t.Errorf("without the lock: got %v, want ErrNotLeader", err)
	}
	a.acquire(t)
	version, err := a.SetSync(ctx, cluster.SyncState{Leader: "a", Standbys: []string{"b"}}, cluster.NoVersion)
	if err != nil {
		t.Fatal(err)
	}
	old := b.awaitView(t, "the key", func(c *cluster.Cluster) bool { return c.Sync.HasStandby("b") })
	if err := a.CheckSync(ctx, version); err != nil {
		t.Errorf("check: %v", err)
	}
	if version, err = a.SetSync(ctx, cluster.SyncState{Leader: "a"}, version); err != nil {
		t.Fatal(err)
	}
	if _, err := a.SetSync(ctx, cluster.SyncState{Leader: "a", Standbys: []string{"b"}}, version-1); !errors.Is(err, cluster.ErrConflict) {
		t.Errorf("write by an old version: got %v, want ErrConflict", err)
	}
	if err := a.CheckSync(ctx, version-1); !errors.Is(err, cluster.ErrConflict) {
		t.Errorf("check of an old version: got %v, want ErrConflict", err)
	}
	if err := a.Release(ctx, cluster.Status{}); err != nil {
		t.Fatal(err)
	}
	if won, err := b.Acquire(ctx, old); won || !errors.Is(err, cluster.ErrConflict) {
		t.Errorf("acquire by an old sync key: got %v, %v, want ErrConflict", won, err)
	}
	now := b.awaitView(t, "the new key", func(c *cluster.Cluster) bool { return c.Sync.Version == version && c.Leader == nil })
	if won, err := b.Acquire(ctx, now); !won || err != nil {
		t.Errorf("acquire: got %v, %v", won, err)
	}
}
