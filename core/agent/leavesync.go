package agent

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// leaveAgain is how often it is looked without any event: a write of the
// member key may have failed.
const leaveAgain = 500 * time.Millisecond

// leaveSync asks the leader to take this standby off the list of synchronous
// standbys, before PostgreSQL is stopped in order: commits would wait for it,
// and it could not be promoted. It waits two loop_wait at most, and reports
// whether the node is off the list: if nobody leads, or the store does not
// answer, this node may be the one that has everything. In the loop it is
// called with publish nil.
func (a *Agent) leaveSync(ctx context.Context, publish func(context.Context)) bool {
	st := a.status.Load()
	if !st.Settings.Synchronous() {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, 2*st.Settings.LoopWait)
	defer cancel()
	a.leaving.Store(true)
	defer a.leaving.Store(false)
	look, stored := publish, a.o.Store.Changed()
	if look == nil { // the loop runs, and hears of changes itself
		look, stored = func(context.Context) { a.Wake() }, nil
	}
	again := time.NewTicker(leaveAgain)
	defer again.Stop()
	look(ctx)
	for {
		changed := a.views.next()
		c := a.status.Load().Cluster
		if c != nil && !c.Sync.HasStandby(a.o.Name) {
			if st.Cluster != nil && st.Cluster.Sync.HasStandby(a.o.Name) {
				a.log.Info("left the synchronous standbys")
			}
			return true
		}
		if c != nil && (c.Leader == nil || c.LeaderName() == a.o.Name) {
			return false // nobody is there to take it off
		}
		select {
		case <-ctx.Done():
			a.log.Warn("the leader has not taken this node off the synchronous standbys", slog.Duration("waited", 2*st.Settings.LoopWait))
			return false
		case <-changed:
		case <-stored:
			look(ctx)
		case <-again.C:
			look(ctx)
		}
	}
}

// errListed refuses to remove data that may be the only complete copy.
var errListed = errors.New("the sync key lists this node as a synchronous standby and no leader takes it off: its data may be the only ones with every confirmed commit")

// withoutSync marks the tags of a node that is not to be synchronous any more.
func withoutSync(t cluster.Tags) cluster.Tags {
	o := &cluster.Object{}
	for k, v := range t.Object().All() {
		o.Set(k, v)
	}
	o.Set("nosync", true)
	o.Set("sync_priority", 0)
	return cluster.NewTags(o)
}
