package sim

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/fence"
)

// reign is what is known of the present leadership.
type reign struct {
	name  string
	epoch cluster.Epoch
	// before is the epoch before, and left the status key at the acquisition.
	before cluster.Epoch
	left   cluster.Status
	// kept means that somebody had all of the log when it was released.
	kept bool
	// forced means that an operator's request was due: then lag does not
	// count.
	forced bool
	count  int
}

// released takes note whether n's log is complete at another node that may lead:
// with nobody there to receive it, an orderly stop is as good as a loss.
func (w *world) released(n *node) {
	w.complete = false
	for _, other := range w.nodes {
		other.pg.advance()
		if other != n && !other.tags.NoFailover() && !other.pg.empty && !n.pg.empty && other.pg.at.has(n.pg.at) {
			w.complete = true
		}
	}
}

// acquired takes note of a new leader znode.
func (w *world) acquired(n *node, l *cluster.Leader) {
	w.note("zk", "%s takes the leader znode, epoch %d", l.Name, l.Epoch)
	f := w.zk.rest.Failover
	w.reign = reign{
		name: l.Name, epoch: l.Epoch, before: w.reign.epoch, left: w.zk.rest.Status, count: w.reign.count + 1, kept: w.complete,
		forced: f.Pending() && !time.Now().Add(n.wallOff).Before(f.ScheduledAt) || w.reign.forced && w.reign.name == l.Name,
	}
	if w.blind && n.pg.recovering {
		w.reign.forced = true
	}
	w.checkBereft(n)
	w.checkTags(n)
	pg := n.pg
	pg.advance()
	if lag := w.setup.Settings.MaximumLagOnFailover; pg.running && pg.recovering && !w.reign.forced && pg.at.lsn+lag < w.reign.left.Optime {
		w.violated("%s took the lock at %v, more than %d behind %v", n.name, pg.at.lsn, lag, w.reign.left.Optime)
	}
}

// opened is called at the instant at which pg begins to accept writes.
func (w *world) opened(pg *postgres) {
	w.note(pg.n.name, "PostgreSQL accepts writes, timeline %d, at %v", pg.at.branch.timeline, pg.at.lsn)
	for _, other := range w.nodes {
		if other != pg.n && other.pg.open() && !w.excused(other) && !w.excused(pg.n) && !w.unstopped(other) && !w.unstopped(pg.n) {
			w.violated("I1: %s and %s accept writes at the same time", other.name, pg.n.name)
		}
	}
	if w.leads(pg.n) {
		w.blind = false // whoever could not be promoted has only written keys
	} else if why := w.unlocked(pg.n); why != "" {
		w.violated("%s accepts writes without holding the leader znode, %s", pg.n.name, why)
	}
	if !w.excused(pg.n) && !w.unstopped(pg.n) {
		w.checkLoss(pg)
	}
}

// checkLoss looks for confirmed writes that the new primary does not have.
func (w *world) checkLoss(pg *postgres) {
	kept := w.writer.confirmed[:0]
	orderly := w.reign.kept && w.reign.before != 0 && w.reign.left.Released == w.reign.before
	risk := w.reign.left.Optime - min(w.setup.Settings.MaximumLagOnFailover, w.reign.left.Optime)
	lost, excused := 0, 0
	var example place
	for _, c := range w.writer.confirmed {
		switch {
		case pg.at.has(c.place):
			kept = append(kept, c)
		case w.reign.forced, pg.at.rogue(), !c.guarded && !orderly && (c.lsn > risk || pg.at.alike(c.place)):
			excused++
		default:
			lost++
			example = c.place
		}
	}
	w.writer.confirmed = kept
	if excused > 0 {
		w.note(pg.n.name, "%d confirmed writes are not in its log, as may happen: no standby had to confirm them, the failover was forced, two were promoted apart at one position, or a standby that was promoted by hand leads", excused)
	}
	if lost > 0 {
		w.violated("I2: %d confirmed writes are not in the log of %s, at %v of timeline %d; one at %v of timeline %d; orderly %v",
			lost, pg.n.name, pg.at.lsn, pg.at.branch.timeline, example.lsn, example.branch.timeline, orderly)
	}
}

// checkExpiry is called when the ensemble ends a session with a leader znode.
func (w *world) checkExpiry(_ *session, l *cluster.Leader) {
	n := w.node(l.Name)
	if !n.pg.open() {
		return
	}
	if why := w.unlocked(n); why != "" {
		w.violated("I3: the session of %s is over and its PostgreSQL accepts writes, %s", n.name, why)
	}
}

// checkFenceKill looks whether a kill was right.
func (w *world) checkFenceKill(n *node, why fence.Reason) {
	p := n.proc
	if why != fence.LeaseOver || p == nil || p.frozen != nil || p.store.own == nil {
		return
	}
	if w.now()-p.store.provenAt < fenceHears {
		return
	}
	if hard := p.store.own.Lease.Hard(); hard > n.clock().Add(fenceSlack) {
		w.violated("I6: the fence of %s kills, and the lease holds for another %v", n.name, hard.Sub(n.clock()))
	}
}

// healthy reports that there is one leader, and that all others stream from
// it. The text says what is missing.
func (w *world) healthy() (leader, all bool, missing string) {
	l := w.zk.lock
	if l == nil {
		return false, false, "no leader znode"
	}
	first := w.node(l.Name)
	if !first.pg.open() || first.pg.hung {
		return false, false, l.Name + " holds the lock and accepts no writes"
	}
	for _, n := range w.nodes {
		if n == first {
			continue
		}
		n.pg.advance()
		if !n.pg.streaming() || n.pg.stream.from != first.pg || n.pg.hung || n.pg.stopping {
			return true, false, n.name + " does not stream from " + l.Name
		}
	}
	return true, true, ""
}
