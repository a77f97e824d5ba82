package sim

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// conn is one connection of an agent to a ZooKeeper server. Requests on it
// are served and answered in order; once something on it was lost, nothing
// gets through any more, as on TCP, until the client gives it up. It is
// guarded by world.mu.
type conn struct {
	w      *world
	host   string // of the client
	dice   dice
	server int
	// sess is nil on a connection that only reads and watches.
	sess   *session
	limit  time.Duration // for an answer
	up     bool
	broken bool
	// expired means that the server refused the session.
	expired bool
	gone    chan struct{} // closed when it is not up any more

	lastServed, lastAnswer time.Duration
	// floor is when the last own write was committed: later reads show it.
	floor time.Duration
}

func newConn(w *world, host string, d dice, server int, limit time.Duration) *conn {
	return &conn{w: w, host: host, dice: d, server: server, limit: limit, up: true, gone: make(chan struct{})}
}

func (k *conn) drop() {
	if k.up {
		k.up = false
		close(k.gone)
	}
}

// lose makes the connection useless; the client notices after a while.
func (k *conn) lose(sent time.Duration) {
	if k.broken || !k.up {
		return
	}
	k.broken = true
	k.w.after(sent+k.limit-k.w.now(), k.drop)
}

// hop is the time of one way.
func (k *conn) hop() time.Duration {
	if k.dice.chance(0.01) {
		return k.dice.between(3*time.Millisecond, 120*time.Millisecond)
	}
	return k.dice.between(300*time.Microsecond, 3*time.Millisecond)
}

func (k *conn) outward() bool { return k.w.net.open(toZooKeeper, k.host, serverName(k.server)) }
func (k *conn) inward() bool  { return k.w.net.open(toZooKeeper, serverName(k.server), k.host) }

// request is one that is under way.
type request struct {
	write  bool
	apply  func() error
	sent   time.Duration
	answer chan error // buffered
}

// send sends r.
func (k *conn) send(r *request) {
	r.sent = k.w.now()
	if k.broken || !k.outward() {
		k.lose(r.sent)
		return
	}
	takes := k.hop()
	if r.write {
		takes += k.hop() + k.w.zk.slow
	}
	at := max(r.sent+takes, k.lastServed+time.Microsecond)
	k.lastServed = at
	k.w.after(at-r.sent, func() { k.serve(r) })
}

// serve is the server's work on r.
func (k *conn) serve(r *request) {
	e, now := k.w.zk, k.w.now()
	if now < e.stalled {
		at := max(e.stalled+k.hop(), k.lastServed+time.Microsecond)
		k.lastServed = at
		k.w.after(r.sent+k.limit-now, func() { k.unanswered(r) })
		k.w.after(at-now, func() { k.serve(r) })
		return
	}
	cut := e.cutSince[k.server] != 0
	switch {
	case now < e.electing, cut && r.write, k.broken:
		k.lose(r.sent)
		return
	case k.sess != nil && k.sess.over && !cut:
		k.expired = true
		k.drop()
		return
	case k.sess != nil && k.sess.conn != k: // it has moved to another server
		k.drop()
		return
	}
	if k.sess != nil {
		e.touch(k.sess, k.server)
	}
	err := r.apply()
	if r.write {
		k.floor = now
	}
	if !k.inward() || (r.write && k.dice.chance(k.w.setup.LostAnswers) && !k.w.resting) {
		k.lose(r.sent)
		return
	}
	at := max(now+k.hop(), k.lastAnswer+time.Microsecond)
	k.lastAnswer = at
	k.w.after(at-now, func() {
		if k.up && !k.broken {
			r.answer <- err
		}
	})
}

// unanswered gives the connection up if r has had no answer by now.
func (k *conn) unanswered(r *request) {
	if len(r.answer) == 0 && k.lastAnswer < k.w.now() && k.w.now() < k.w.zk.stalled {
		k.drop()
	}
}

// ping is a sign of life without effect.
func (k *conn) ping() {
	k.send(&request{apply: func() error { return nil }, answer: make(chan error, 1)})
}

// shown is the state that k's server shows now.
func (k *conn) shown() *cluster.Cluster {
	e := k.w.zk
	at := k.w.now() - e.lag[k.server]
	if cut := e.cutSince[k.server]; cut != 0 {
		at = min(at, cut)
	}
	return e.seen(max(at, k.floor))
}
