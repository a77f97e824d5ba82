package sim

import (
	"cmp"
	"slices"

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
	best := w.candidate()
	if best == nil {
		return false
	}
	w.rescued = true
	w.note("zk", "nobody may lead: %s; somebody asks for a failover to %s", why, best.name)
	w.zk.setFailover(cluster.Failover{Candidate: best.name})
	return true
}

// candidate is whom the operator names: of the members that can take over, one
// that is not on an abandoned timeline if there is one, then the one with the
// most confirmed writes, then the one with the most log; nil if none can.
func (w *world) candidate() *node {
	var fit, current []*node
	for _, n := range w.nodes {
		n.pg.advance()
		if !w.mayTakeOver(n) {
			continue
		}
		fit = append(fit, n)
		if n.pg.at.branch.timeline >= w.zk.rest.History.ClusterTimeline() {
			current = append(current, n)
		}
	}
	if len(current) > 0 {
		fit = current
	}
	if len(fit) == 0 {
		return nil
	}
	return slices.MaxFunc(fit, func(a, b *node) int {
		return cmp.Or(cmp.Compare(w.keeps(a), w.keeps(b)), cmp.Compare(a.pg.at.lsn, b.pg.at.lsn))
	})
}

// mayTakeOver reports whether a forced failover can go to n.
func (w *world) mayTakeOver(n *node) bool {
	listed := w.zk.rest.Failsafe
	return n.pg.running && n.pg.ready && n.pg.recovering && !n.tags.NoFailover() &&
		(len(listed) == 0 || listed[n.name] != "")
}

// keeps is how many confirmed writes n has in its log.
func (w *world) keeps(n *node) int {
	has := 0
	for _, c := range w.writer.confirmed {
		if n.pg.at.has(c.place) {
			has++
		}
	}
	return has
}

// allBarred says that the sync key names nobody but members that are tagged
// never to lead, since the ensemble was restored or because somebody promoted
// one by hand; "" if it does not.
func (w *world) allBarred() string {
	s := w.zk.rest.Sync
	if !w.setup.Settings.Synchronous() || w.setup.Settings.Quorum() || !s.Active() || s.Broken {
		return ""
	}
	if led := w.node(s.Leader); !w.setBack && (led == nil || !led.pg.at.rogue()) {
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
	if !newest.pg.running || !newest.pg.ready || newest.proc == nil || newest.tags.NoFailover() { // nobody waits for it
		return ""
	}
	return "the newest timeline is of " + newest.name + ", which the failsafe key does not list"
}
