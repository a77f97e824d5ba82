package sim

import (
	"github.com/pgregent/pgregent/core/cluster"
)

// drawTags draws the members' tags. At least two may lead.
func drawTags(d dice, nodes int) []cluster.Tags {
	list := make([]cluster.Tags, nodes)
	barred := 0
	for i := range list {
		o := &cluster.Object{}
		if d.chance(0.12) && barred < nodes-2 {
			barred++
			if d.chance(0.5) {
				o.Set("nofailover", true)
			} else {
				o.Set("failover_priority", 0)
			}
		} else if d.chance(0.2) {
			o.Set("failover_priority", 1+d.IntN(3))
		}
		if d.chance(0.12) {
			o.Set("nosync", true)
		}
		list[i] = cluster.NewTags(o)
	}
	return list
}

// checkTags looks whether n may take the lock by its tags. A primary that runs
// already keeps it.
func (w *world) checkTags(n *node) {
	if n.tags.NoFailover() && n.pg.running && n.pg.recovering {
		w.violated("%s took the lock and has the tags %s", n.name, n.tags.Object())
	}
}

// checkListed looks that nobody is a synchronous standby who must not be. In
// quorum mode a former leader is, until the group has changed.
func (w *world) checkListed(s cluster.SyncState) {
	if w.setup.Settings.Quorum() && !w.calm {
		return
	}
	for _, name := range s.Standbys {
		if n := w.node(name); n != nil && n.tags.NoSync() {
			w.violated("%s is a synchronous standby and has the tags %s", name, n.tags.Object())
		}
	}
}
