package sim

import (
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
)

// rescue is an operator who forces a failover in a cluster that has no leader
// after the last fault, once, and only where the members are right to wait for
// one. It reports whether there was need of it. w.mu is held.
func (w *world) rescue() bool {
	if w.rescued || w.zk.lock != nil {
		return false
	}
	why := w.allBarred()
	if why == "" {
		why = w.awaitsUnlisted()
	}
	if why == "" {
		why = w.allBehind()
	}
	if why == "" {
		return false
	}
	var best *node
	for _, n := range w.nodes {
		n.pg.advance()
		ready := n.pg.running && n.pg.ready && n.pg.recovering && !n.tags.NoFailover()
		if listed := len(w.zk.rest.Failsafe) == 0 || w.zk.rest.Failsafe[n.name] != ""; ready && listed && (best == nil || n.pg.at.lsn > best.pg.at.lsn) {
			best = n
		}
	}
	if best == nil {
		return false
	}
	w.rescued = true
	w.note("zk", "nobody may lead: %s; somebody asks for a failover to %s", why, best.name)
	w.zk.setFailover(cluster.Failover{Candidate: best.name})
	return true
}

// allBarred says that the sync key, since the ensemble was restored, names
// nobody but members that are tagged never to lead; "" if it does not.
func (w *world) allBarred() string {
	s := w.zk.rest.Sync
	if !w.setBack || !w.setup.Settings.Synchronous() || w.setup.Settings.Quorum() || !s.Active() || s.Broken {
		return ""
	}
	for _, n := range w.nodes {
		if s.Contains(n.name) && !n.tags.NoFailover() {
			return ""
		}
	}
	return "the sync key names only members that must not"
}

// allBehind says that, since the ensemble was restored, every member that may
// lead is too far behind what the old keys tell; "" if it is not so.
func (w *world) allBehind() string {
	if !w.setBack || w.setup.Settings.Synchronous() {
		return ""
	}
	for _, n := range w.nodes {
		if n.tags.NoFailover() {
			continue
		}
		if n.proc == nil || n.proc.agent == nil || !decide.LagsBehind(n.proc.agent.Status().Rule) {
			return ""
		}
	}
	return "the status key tells more log than any member has"
}

// awaitsUnlisted says that the newest timeline was begun by hand, on a standby
// that the failsafe key does not list; "" if it is not so.
func (w *world) awaitsUnlisted() string {
	listed := w.zk.rest.Failsafe
	if !w.setup.Settings.FailsafeMode || len(listed) == 0 {
		return ""
	}
	var newest *node
	for _, n := range w.nodes {
		n.pg.advance()
		if !n.pg.empty && (newest == nil || n.pg.at.branch.timeline > newest.pg.at.branch.timeline) {
			newest = n
		}
	}
	if newest == nil || listed[newest.name] != "" || !newest.pg.at.branch.rogue || !newest.pg.recovering {
		return ""
	}
	return "the newest timeline is of " + newest.name + ", which the failsafe key does not list"
}
