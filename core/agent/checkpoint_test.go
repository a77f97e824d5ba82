package agent

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// stillServer is a PostgreSQL to which nothing happens; checkpoints, if not
// nil, gets a value for each.
type stillServer struct {
	Postgres
	checkpoints chan struct{}
}

func (s stillServer) Observe(context.Context) cluster.Instance { return cluster.Instance{} }

func (stillServer) Wants(*cluster.Upstream) bool { return false }

func (s stillServer) Checkpoint(context.Context) error {
	s.checkpoints <- struct{}{}
	return nil
}

// askedPeers notes who was asked, and where.
type askedPeers struct {
	Peers
	urls []string
}

func (p *askedPeers) Ask(_ context.Context, list []cluster.Member) []PeerAnswer {
	for _, m := range list {
		p.urls = append(p.urls, m.Name+" "+m.Data.APIURL)
	}
	return nil
}

func TestAPromotionWithoutCheckpointGetsOne(t *testing.T) {
	primary := cluster.Instance{Running: true, Ready: true, Timeline: 3, CheckpointTimeline: 2}
	for name, c := range map[string]struct {
		change func(*cluster.Instance)
		leased bool
		want   int
	}{
		"promoted by another":             {func(*cluster.Instance) {}, true, 1},
		"it is made":                      {func(i *cluster.Instance) { i.CheckpointTimeline = 3 }, true, 0},
		"not known":                       {func(i *cluster.Instance) { i.CheckpointTimeline = 0 }, true, 0},
		"a standby":                       {func(i *cluster.Instance) { i.Standby = true }, true, 0},
		"it does not answer":              {func(i *cluster.Instance) { i.Ready = false }, true, 0},
		"a primary that is to be stopped": {func(*cluster.Instance) {}, false, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			store, server := &leasedStore{}, stillServer{checkpoints: make(chan struct{}, 9)}
			a := testAgent(store, nil)
			a.o.Postgres = server
			a.writable.Store(true)
			a.s.instance = primary
			c.change(&a.s.instance)
			if c.leased {
				l := silentLease()
				l.Sent = lease.Now()
				store.set(l)
			}
			a.s.cluster = &cluster.Cluster{}
			v := a.view()
			v.Now = lease.Now()
			a.ensureCheckpoint(t.Context(), v)
			a.ensureCheckpoint(t.Context(), v) // one is under way
			synctest.Wait()
			if got := len(server.checkpoints); got != c.want {
				t.Errorf("%s: got %d checkpoints, want %d", name, got, c.want)
			}
			if a.checkpointPending.Load() {
				t.Errorf("%s: still pending", name)
			}
		})
	}
}
