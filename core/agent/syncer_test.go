package agent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

// orderedStore and orderedServer note the calls of a promotion in order.
type orderedStore struct {
	Store
	calls *[]string
	fail  map[string]error
	lease lease.Lease
}

func (s orderedStore) Lease() lease.Lease { return s.lease }

func (s orderedStore) SetSync(_ context.Context, state cluster.SyncState, _ int32) (int32, error) {
	*s.calls = append(*s.calls, "sync "+string(state.Encode()))
	return 9, s.fail["sync"]
}

type orderedServer struct {
	Postgres
	calls *[]string
	fail  map[string]error
}

func (p orderedServer) SetSyncNames(_ context.Context, names *cluster.SyncNames) (cluster.LSN, error) {
	*p.calls = append(*p.calls, "names "+names.String())
	return 0, p.fail["names"]
}

func (p orderedServer) Promote(context.Context) error {
	*p.calls = append(*p.calls, "promote")
	return p.fail["promote"]
}

func (orderedServer) Checkpoint(context.Context) error { return nil }

func (orderedServer) Observe(context.Context) cluster.Instance {
	return cluster.Instance{Running: true, Ready: true, Standby: true}
}

func TestAPromotionIsPreparedFirst(t *testing.T) {
	const claim, former = `sync {"leader":"a","quorum":1,"sync_standby":"b,c"}`, `sync {"leader":"b","quorum":1,"sync_standby":"a,c"}`
	broken := errors.New("broken")
	for _, tc := range []struct {
		name   string
		fail   map[string]error
		want   []string
		failed bool // somebody else should lead
	}{
		{"all goes well", nil, []string{"names ANY 1 (b,c)", claim, "promote"}, false},
		{"the names cannot be set", map[string]error{"names": broken}, []string{"names ANY 1 (b,c)"}, true},
		{"the key was changed meanwhile", map[string]error{"sync": cluster.ErrConflict}, []string{"names ANY 1 (b,c)", claim}, false},
		{"the promotion fails: the others may lead again", map[string]error{"promote": broken}, []string{"names ANY 1 (b,c)", claim, "promote", former}, true},
	} {
		var calls []string
		now := lease.Now()
		store := orderedStore{calls: &calls, fail: tc.fail, lease: lease.Lease{
			Epoch: 7, Sent: now, Params: lease.Params{Timeout: time.Minute, Tick: 2 * time.Second, Interval: time.Second},
		}}
		a := New(Options{
			Name: "a", Store: store, Postgres: orderedServer{calls: &calls, fail: tc.fail}, Logger: slog.New(slog.DiscardHandler),
			Settings: func(*cluster.Object) (cluster.Settings, []string) { return cluster.DefaultSettings(), nil },
		})
		v := decide.View{Self: "a", Settings: cluster.DefaultSettings(), Cluster: &cluster.Cluster{
			Sync: cluster.SyncState{Leader: "b", Quorum: 1, Standbys: []string{"a", "c"}, Version: 8, Exists: true},
		}}
		v.Settings.SynchronousMode = "quorum"
		ctx, cancel := context.WithCancel(t.Context())
		a.promote(ctx, &v)
		a.finish(<-a.s.jobDone)
		cancel()
		if !slices.Equal(calls, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, calls, tc.want)
		}
		if a.s.promoteFailed != tc.failed {
			t.Errorf("%s: promotion failed is %v", tc.name, a.s.promoteFailed)
		}
		if tc.fail != nil && a.checkpointPending.Load() {
			t.Errorf("%s: the checkpoint of a later promotion, by whomever, is taken for begun", tc.name)
		}
	}
}
