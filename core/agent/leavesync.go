package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// leaveAgain is how often it is looked without any event: a write of the
// member key may have failed.
const leaveAgain = 500 * time.Millisecond

// leaveSync asks the leader to take this standby off the list of synchronous
// standbys, before PostgreSQL is stopped in order: commits would wait for it,
// and it could not be promoted. It waits two loop_wait at most. Outside of
// the loop it is called with publish nil.
func (a *Agent) leaveSync(ctx context.Context, publish func(context.Context)) {
	st := a.status.Load()
	if !a.listed(st.Cluster) {
		return
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
		if !a.listed(a.status.Load().Cluster) {
			a.log.Info("left the synchronous standbys")
			return
		}
		select {
		case <-ctx.Done():
			a.log.Warn("stopping although the leader still lists this node as a synchronous standby", slog.Duration("waited", 2*st.Settings.LoopWait))
			return
		case <-changed:
		case <-stored:
			look(ctx)
		case <-again.C:
			look(ctx)
		}
	}
}

// listed reports that the sync key lists this node as a standby of somebody
// who leads.
func (a *Agent) listed(c *cluster.Cluster) bool {
	return c != nil && a.status.Load().Settings.Synchronous() && c.Leader != nil && c.LeaderName() != a.o.Name && c.Sync.HasStandby(a.o.Name)
}

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
