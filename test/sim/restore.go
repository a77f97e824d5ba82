package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// backup is a state of the ensemble, with the sessions of that time.
type backup struct {
	zxid       int64
	lock       *cluster.Leader
	reign      cluster.Epoch
	members    map[string]*cluster.Member
	registered map[string]*registration
	rest       cluster.Cluster
	listed     map[string]string
	sessions   []session
}

func (e *ensemble) backup() *backup {
	b := &backup{
		zxid: e.zxid, lock: e.lock, reign: e.reign, rest: e.rest, listed: e.listed,
		members: maps.Clone(e.members), registered: maps.Clone(e.registered),
	}
	for _, id := range slices.Sorted(maps.Keys(e.sessions)) {
		b.sessions = append(b.sessions, *e.sessions[id])
	}
	return b
}

// restore sets the ensemble back. Nobody can go on with a session: the clients
// have seen later transactions, and the servers refuse them. The sessions of
// that time are alive once more, with what they own, until they expire.
func (e *ensemble) restore(b *backup) {
	for _, id := range slices.Sorted(maps.Keys(e.sessions)) {
		e.end(e.sessions[id])
	}
	e.w.note("zk", "the ensemble is restored to an older state")
	e.w.setBack = true
	e.zxid, e.lock, e.reign, e.listed = (b.zxid>>32+1)<<32, b.lock, b.reign, b.listed
	e.members, e.registered, e.rest = maps.Clone(b.members), maps.Clone(b.registered), b.rest
	clear(e.spoilt)
	for _, s := range b.sessions {
		s.touched, s.relayed, s.over, s.conn = e.w.now(), 0, false, nil
		e.sessions[s.id] = &s
		e.armExpiry(&s)
	}
	e.rest.Config.Version++
	e.setPause(true) // before anybody gets to see it
	e.publish("config", "failover", "failsafe", "history", "initialize", "leader", "members", "status", "sync")
}

// beginRestore is an operator who restores an older state by the book: in pause,
// with the ensemble down for longer than any session lasts, and with a look at
// the keys before the cluster is resumed. The backup is made now.
func (w *world) beginRestore(d dice) func() {
	if w.zk.paused() || w.zk.rest.Initialize == nil || w.restoring || len(w.zk.spoilt) > 0 {
		return nil
	}
	w.restoring = true
	b := w.zk.backup()
	down := w.setup.Settings.TTL*3/2 + d.between(3*time.Second, 20*time.Second)
	return func() {
		if w.restoring = !w.healed && len(w.zk.spoilt) == 0; !w.restoring {
			return
		}
		w.underWay = true
		w.note("zk", "somebody pauses the cluster to restore ZooKeeper")
		w.zk.setPause(true)
		w.after(restorePause, func() {
			w.zk.elect(down)
			w.after(down-time.Millisecond, func() { w.zk.restore(b) })
			w.after(down+restorePause, func() { w.resumeRestored(0) })
		})
	}
}

const (
	// restorePause is what the operator leaves the members to learn something.
	restorePause = 10 * time.Second
	// restoreWait is how often, and keysBound how long, the operator looks
	// whether the leader has written its keys.
	restoreWait = 5 * time.Second
	keysBound   = 90 * time.Second
	// writtenBound is for a leader whose PostgreSQL accepts writes: it has to
	// write them, as soon as it reaches the ensemble.
	writtenBound = 10 * time.Minute
)

// resumeRestored ends the pause when the leader has written its keys. Without a
// primary there is nobody to write them: then old ones are all that the operator
// has, and what was confirmed since may be lost.
func (w *world) resumeRestored(waited time.Duration) {
	missing := w.unwritten()
	led := missing != "" && w.zk.lock != nil && w.node(w.zk.lock.Name).pg.open()
	if led && waited >= writtenBound {
		w.violated("I7: the keys are not written within %v: %s", writtenBound, missing)
	} else if missing != "" && (led || waited < keysBound) {
		w.after(restoreWait, func() { w.resumeRestored(waited + restoreWait) })
		return
	}
	if missing != "" {
		w.note("zk", "somebody resumes the cluster by its old keys: %s", missing)
		w.blind = true
	} else {
		w.setBack = false
	}
	w.note("zk", "somebody resumes the cluster")
	w.restoring, w.underWay = false, false
	w.zk.setPause(false)
}

// awaitRestore waits until the operator who restores the ensemble is done.
func (w *world) awaitRestore() {
	for {
		busy := false
		w.locked(func() { busy = w.underWay && len(w.broken) == 0 })
		if !busy {
			return
		}
		time.Sleep(time.Second)
	}
}

// unwritten says what is still missing in the keys, or wrong.
func (w *world) unwritten() string {
	l, r := w.zk.lock, &w.zk.rest
	if l == nil {
		return "nobody has the lock"
	}
	pg := w.node(l.Name).pg
	switch {
	case !pg.primary() || !pg.open() || w.sessionOf(l) == nil:
		return l.Name + " has the lock and is not primary"
	case !r.History.SameForks(pg.at.history()):
		return "the history is not the leader's"
	case !w.setup.Settings.Synchronous():
		return ""
	case r.Sync.Leader != l.Name, len(r.Sync.Standbys) > 0 && len(pg.names.Names) == 0:
		return "sync is not the leader's"
	}
	return ""
}

// sessionOf is the session that holds the lock if its client is there.
func (w *world) sessionOf(l *cluster.Leader) *session {
	if s := w.zk.sessions[l.Session]; s != nil && s.conn != nil {
		return s
	}
	return nil
}
