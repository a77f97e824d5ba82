package sim

import (
	"strings"
	"time"
)

// lockFaults are what an operator can do behind everybody's back.
func lockFaults() []fault {
	return []fault{
		{"session is ended early", 3, func(w *world, n *node, _ dice) func() {
			p := n.proc
			if p == nil || p.store.sess == nil || p.store.sess.over {
				return nil
			}
			s := p.store.sess
			if l := w.zk.lock; l != nil && l.Session == s.id && !w.bereave() {
				return nil
			}
			w.note("zk", "somebody ends the session of %s", n.name)
			w.zk.end(s)
			return nil
		}},
		{"leader znode is deleted", 2, func(w *world, _ *node, _ dice) func() {
			if w.bereave() {
				w.zk.removeLeader()
			}
			return nil
		}},
		{"standby is promoted by hand", 3, func(w *world, n *node, d dice) func() {
			pg := n.pg
			if w.bereft != nil || !pg.running || !pg.ready || !pg.recovering || pg.promoting || pg.stopping || pg.hung || n.suspended || w.zk.lock != nil && w.zk.lock.Name == n.name {
				return nil
			}
			w.note(n.name, "somebody promotes PostgreSQL")
			w.bereft, w.rogue = n, true
			pg.promoted()
			pg.at.branch.rogue = true
			return nil
		}},
	}
}

// bereave takes note that the lock is about to be taken from its holder. It
// reports false if nobody holds it, or if the holder could not learn of it, or
// could not tell the others that it still accepts writes: then two primaries
// for a while are what the operator gets.
func (w *world) bereave() bool {
	l := w.zk.lock
	if l == nil || w.bereft != nil {
		return false
	}
	n := w.node(l.Name)
	if !w.within(n) {
		return false
	}
	if n.pg.running {
		w.bereft = n
	}
	if n.pg.running && !n.pg.open() {
		// It may be about to accept writes, and only the agent can stop that.
		w.after(time.Second, func() {
			if !n.pg.open() {
				w.restored(n)
			}
		})
	}
	return true
}

// restored notes that n does not accept writes any more: what an operator has
// done to it is over.
func (w *world) restored(n *node) {
	if w.bereft == n {
		w.bereft, w.rogue = nil, false
	}
}

// within reports that the node's agent runs and that everybody, ZooKeeper too,
// gets through to it.
func (w *world) within(n *node) bool {
	if n.proc == nil || n.proc.frozen != nil || n.suspended {
		return false
	}
	for _, l := range append(w.toEnsemble(n), w.toOthers(n, toREST)...) {
		if !w.net.open(l.kind, l.from, l.to) {
			return false
		}
	}
	return true
}

// excused reports that the node accepts writes without the lock because an
// operator has taken that away.
func (w *world) excused(n *node) bool { return w.bereft == n }

// unstopped reports that the node accepts writes without the lock because of a
// pause, of which it does not know yet that it is over.
func (w *world) unstopped(n *node) bool { return n.lax && !w.leads(n) }

// beside reports that the node still confirms writes since another has taken
// the lock that was taken away from it, or that went in a pause: nobody promises
// that these last.
func (w *world) beside(n *node) bool {
	another := w.reign.name != n.name // also while that has just released the lock
	return w.bereft == n && (w.rogue || another) || n.lax && another
}

// displaced reports that a second agent has registered the node's name: the
// others ask that one.
func (w *world) displaced(n *node) bool {
	r := w.zk.registered[n.name]
	return r != nil && !strings.HasPrefix(r.instance, n.host+"#")
}

// askedBefore reports that n has last told p how it is before it accepted
// writes: p could not know.
func (p *process) askedBefore(n *node) bool {
	at, asked := p.answered[n.name]
	return asked && at < n.pg.openedAt
}

// checkBereft looks, when n has taken the lock, whether the former holder
// still accepts writes and could have said so. A server that is being stopped
// says nothing, and its agent does not speak for it: if that takes long, there
// are two primaries for so long.
func (w *world) checkBereft(n *node) {
	b := w.bereft
	if w.rogue || b == nil || b == n {
		return
	}
	if w.within(b) && b.pg.primary() && b.pg.open() && !b.pg.hung && !n.proc.askedBefore(b) && !w.displaced(b) {
		w.violated("I1: %s took the lock while %s, which somebody has taken it from, accepts writes", n.name, b.name)
	}
	w.reign.forced = true // what is confirmed beside it may be lost
}
