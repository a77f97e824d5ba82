package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// errDead is what a process that was killed gets from everything.
var errDead = errors.New("this process is dead")

// client is one agent's store: what zkdcs does, on a model of the wire. It is
// guarded by world.mu; calls hold it while no time passes only.
type client struct {
	w    *world
	p    *process
	name string
	log  *slog.Logger
	dice dice

	changed chan struct{}
	kicked  chan struct{} // renew, adopt or retry a release now

	asked time.Duration
	retry time.Duration

	conn       *conn // of the session; nil or down: disconnected
	ready      bool  // set up
	isReady    chan struct{}
	first      chan struct{} // closed when it was set up for the first time
	firstDone  bool
	seen       bool // a view has shown the own member key
	sess       *session
	registered bool
	member     *cluster.MemberData
	own        *lease.Proofs
	abandoned  cluster.Epoch
	release    *pendingRelease
	closing    bool
	dropped    *session // the last that was dropped
	// syncAtLeast is the version of the sync key that was written, syncDoubt
	// means that a write of it got no answer.
	syncAtLeast int32
	syncDoubt   bool
	provenAt    time.Duration // when the last proof was answered

	watch *watchConn
}

// pendingRelease is a leadership that was given up and whose znode may be
// there.
type pendingRelease struct {
	epoch  cluster.Epoch // 0: not known yet
	status cluster.Status
}

func (p *pendingRelease) covers(epoch cluster.Epoch) bool {
	return p != nil && (p.epoch == 0 || p.epoch == epoch)
}

func newClient(p *process, asked, retry time.Duration) *client {
	w := p.n.w
	c := &client{
		w: w, p: p, name: p.n.name, log: p.log, dice: w.dice("client " + p.id),
		changed: make(chan struct{}, 1), kicked: make(chan struct{}, 1), isReady: make(chan struct{}),
		first: make(chan struct{}), asked: asked, retry: retry,
	}
	c.watch = &watchConn{c: c, isUp: make(chan struct{})}
	return c
}

func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// run serves the store until ctx ends. The session stays open.
func (c *client) run(ctx context.Context) {
	c.w.locked(func() { c.w.zk.watchers = append(c.w.zk.watchers, c.watch) })
	done := make(chan struct{}, 2)
	go func() { c.runWatch(ctx); done <- struct{}{} }()
	go func() { c.runRenewals(ctx); done <- struct{}{} }()
	c.runSession(ctx)
	<-done
	<-done
	c.w.locked(func() {
		list := c.w.zk.watchers[:0:0]
		for _, v := range c.w.zk.watchers {
			if v != c.watch {
				list = append(list, v)
			}
		}
		c.w.zk.watchers = list
	})
}

// timeout is the session timeout granted, or asked for.
func (c *client) timeout() time.Duration {
	if c.sess != nil {
		return c.sess.timeout
	}
	return c.asked
}

// runSession keeps a connection for the session.
func (c *client) runSession(ctx context.Context) {
	var resume *session
	order := c.newHosts()
	c.w.locked(func() { resume = c.p.n.disk.session })
	for ctx.Err() == nil && !c.isClosing() {
		var sess *session
		var lost bool
		begun := c.p.clock()
		k := c.dial(ctx, order, func(k *conn) bool {
			if sess = resume; sess == nil || sess == c.dropped {
				sess = c.w.zk.create(c.asked, c.name)
			}
			if lost = sess.over; lost {
				return true
			}
			// Attaching touches the session at the ZooKeeper leader.
			sess.touched, sess.conn, k.sess = c.w.now(), k, sess
			return true
		})
		switch {
		case k == nil:
			continue
		case lost:
			resume = nil
			c.sessionLost()
			continue
		}
		resume = sess
		c.w.locked(func() {
			if sess == c.dropped { // since
				k.drop()
				return
			}
			c.conn = k
			c.takeSession(sess, begun)
		})
		c.serve(ctx, k)
		c.detached(k)
		expired, dropped := false, false
		c.w.locked(func() { k.drop(); expired, dropped = k.expired, c.dropped == sess })
		if expired || dropped {
			resume = nil
		}
		if expired && !dropped {
			c.sessionLost()
		}
	}
}

func (c *client) isClosing() bool {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.closing
}

// present is the leadership of this session; nil if there is none.
func (c *client) present() *lease.Proofs {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.own
}

func (c *client) takeSession(sess *session, begun lease.Instant) {
	if c.sess != sess {
		c.registered, c.member, c.seen = false, nil, false
	}
	c.sess = sess
	c.p.n.disk.session = sess
	if c.own != nil {
		c.own.Granted(sess.timeout)
		c.own.Reattached(begun)
	}
}

// serve sets the session up, and pings until the connection ends.
func (c *client) serve(ctx context.Context, k *conn) {
	up := false
	for {
		pause := k.sess.timeout / 3
		if !up {
			limit, cancel := context.WithTimeout(ctx, 5*time.Second)
			err := c.setUp(limit, k)
			cancel()
			if up = err == nil; !up {
				pause = 500 * time.Millisecond
			}
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-k.gone:
			t.Stop()
			return
		case <-ctx.Done():
			t.Stop()
			return
		}
		if !c.p.gate() {
			return
		}
		c.w.locked(func() {
			if up && k.up {
				k.ping()
			}
		})
	}
}

func (c *client) setUp(ctx context.Context, k *conn) error {
	if err := c.register(ctx, k); err != nil && !errors.Is(err, cluster.ErrNameInUse) {
		return err
	} else if err == nil {
		if err := c.adopt(ctx, k); err != nil {
			return err
		}
	}
	c.w.locked(func() {
		if !c.ready && c.conn == k && k.up {
			c.ready = true
			close(c.isReady)
			if !c.firstDone {
				c.firstDone = true
				close(c.first)
			}
		}
		if c.release != nil {
			notify(c.kicked)
		}
	})
	notify(c.changed)
	return nil
}

func (c *client) detached(k *conn) {
	c.w.locked(func() {
		if c.conn == k && c.ready {
			c.ready, c.isReady = false, make(chan struct{})
			notify(c.changed)
		}
	})
}

func (c *client) sessionLost() {
	c.w.locked(func() {
		c.w.note(c.name, "its ZooKeeper session has expired")
		c.sess, c.registered, c.member, c.own, c.release = nil, false, nil, nil, nil
		c.p.n.disk.session = nil
	})
	notify(c.changed)
}

// dropAll ends all connections, and dropFrom those to one server. w.mu is held.
func (c *client) dropAll() {
	for i := range servers {
		if c.w.zk.cutSince[i] == 0 {
			c.dropFrom(i)
		}
	}
}

func (c *client) dropFrom(server int) {
	for _, k := range []*conn{c.conn, c.watch.conn} {
		if k != nil && k.server == server {
			k.drop()
		}
	}
}

// dropFromEverywhere ends all connections of a process that is gone.
func (c *client) dropFromEverywhere() {
	for i := range servers {
		c.dropFrom(i)
	}
}

// connected is the session's connection, nil if it cannot be used.
func (c *client) connected() *conn {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if !c.ready || c.conn == nil || !c.conn.up {
		return nil
	}
	return c.conn
}

// awaitConnected waits for it until ctx ends.
func (c *client) awaitConnected(ctx context.Context) (*conn, error) {
	for {
		var ready chan struct{}
		c.w.locked(func() { ready = c.isReady })
		if k := c.connected(); k != nil {
			return k, nil
		}
		if c.p.isDead() {
			return nil, errDead
		}
		select {
		case <-ready:
			if k := c.connected(); k != nil {
				return k, nil
			}
			rest(ctx, 50*time.Millisecond)
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: not connected", cluster.ErrUnreachable)
		}
	}
}

// bound gives ctx the default deadline if it has none.
func (c *client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	var limit time.Duration
	c.w.locked(func() { limit = c.retry })
	return context.WithTimeout(ctx, limit)
}

// DropSession ends the present session and begins another.
func (c *client) DropSession(session int64) {
	if !c.p.gate() {
		return
	}
	c.w.locked(func() {
		s := c.sess
		if s == nil || s.id != session {
			return
		}
		c.end()
		c.dropped = s
		c.sess, c.registered, c.member, c.own, c.release = nil, false, nil, nil, nil
		if c.conn != nil {
			c.conn.drop()
		}
	})
	notify(c.changed)
}

// close ends the session in order.
func (c *client) close() {
	c.w.locked(func() {
		c.closing = true
		c.end()
	})
}

// end ends the session, if there is a way to a server, and forgets it. w.mu is
// held.
func (c *client) end() {
	s, k := c.sess, c.conn
	if s != nil && k != nil && k.up && !k.broken && k.outward() && c.w.now() >= c.w.zk.electing && c.w.zk.cutSince[k.server] == 0 && !s.over {
		c.w.note(c.name, "closes its session")
		c.w.zk.end(s)
	}
	c.p.n.disk.session = nil
}
