package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// memberPace is the least time between two wake-ups by changed member keys.
const memberPace = time.Second

// loadWait is how long Load waits for a connection that is being made.
const loadWait = time.Second

// watchConn is the connection that reads and watches, with the cached view.
type watchConn struct {
	c    *client
	conn *conn
	isUp chan struct{} // closed while conn is up

	cached *cluster.Cluster
	stale  bool
	events int // what happened, to tell whether an answer is outdated

	memberWake time.Duration
}

// runWatch keeps the watch connection.
func (c *client) runWatch(ctx context.Context) {
	v, order := c.watch, c.newHosts()
	for ctx.Err() == nil {
		k := c.dial(ctx, order, func(*conn) bool { return true })
		if k == nil {
			continue
		}
		c.w.locked(func() {
			v.conn, v.cached, v.stale = k, nil, true
			close(v.isUp)
		})
		notify(c.changed)
		for alive := true; alive; {
			var pause time.Duration
			c.w.locked(func() { pause = c.asked / 3 })
			t := time.NewTimer(pause)
			select {
			case <-t.C:
			case <-k.gone:
				alive = false
			case <-ctx.Done():
				alive = false
			}
			t.Stop()
			alive = alive && c.p.gate()
			c.w.locked(func() {
				if alive && k.up {
					k.ping()
				}
			})
		}
		c.w.locked(func() {
			k.drop()
			v.conn, v.isUp = nil, make(chan struct{})
		})
		notify(c.changed)
	}
}

// fire sends the events of a committed change to the client.
func (v *watchConn) fire(keys []string) {
	k := v.conn
	if k == nil || !k.up || k.broken {
		return
	}
	e := k.w.zk
	if e.cutSince[k.server] != 0 || !k.inward() {
		return
	}
	wake, soon := false, false
	for _, key := range keys {
		switch key {
		case "status":
		case "member " + v.c.name:
			soon = true
		default:
			wake = true
			if len(key) > 7 && key[:7] == "member " {
				wake = v.paced()
			}
			soon = true
		}
	}
	if !soon {
		return
	}
	k.w.after(e.lag[k.server]+k.hop(), func() {
		if v.conn != k {
			return
		}
		v.events++
		v.stale = true
		if wake {
			notify(v.c.changed)
		}
	})
}

// paced reports that a changed member key may wake now; else a wake-up is due
// later.
func (v *watchConn) paced() bool {
	w := v.c.w
	now := w.now()
	if v.memberWake > now {
		return false
	}
	at := max(now, v.memberWake+memberPace)
	v.memberWake = at
	if at == now {
		return true
	}
	w.after(at-now, func() { notify(v.c.changed) })
	return false
}

// touch makes the next Load read again. w.mu is held.
func (v *watchConn) touch() {
	v.events++
	v.stale = true
}

// Load returns the cached view, or reads a fresh one.
func (c *client) Load(ctx context.Context) (*cluster.Cluster, error) {
	if !c.p.gate() {
		return nil, errDead
	}
	view := c.cached()
	if view == nil {
		ctx, cancel := c.bound(ctx)
		defer cancel()
		k, err := c.awaitView(ctx)
		if err != nil {
			return nil, err
		}
		if view, err = c.read(ctx, k); err != nil {
			return nil, err
		}
	}
	c.w.locked(func() { c.reads(view) })
	c.reconcile(view)
	return view, nil
}

// cached is the view that nothing has changed since; nil if it is not known.
func (c *client) cached() *cluster.Cluster {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if v := c.watch; c.firstDone && v.conn != nil && v.conn.up && !v.stale {
		return v.cached
	}
	return nil
}

// read reads all keys. A view that is older than what this session did as
// leader is read again behind a sync.
func (c *client) read(ctx context.Context, k *conn) (*cluster.Cluster, error) {
	v := c.watch
	for synced := false; ; synced = true {
		var view *cluster.Cluster
		var events int
		c.w.locked(func() {
			events = v.events
			if synced {
				k.floor = c.w.now()
			}
		})
		err := c.call(ctx, k, synced, func() error { view = k.shown(); return nil }) // a cut-off server cannot sync
		if err != nil {
			c.w.locked(k.drop) // its answer may still set a watch
			return nil, fmt.Errorf("%w: no answer", cluster.ErrUnreachable)
		}
		outdated := false
		c.w.locked(func() {
			if v.conn == k && v.events == events {
				v.cached, v.stale = view, false
			}
			if synced {
				c.syncAtLeast, c.syncDoubt = 0, false
			}
			outdated = c.own != nil && (view.Leader == nil || view.Leader.Epoch < c.own.Epoch || c.syncDoubt || view.Sync.Version < c.syncAtLeast)
		})
		if synced || !outdated {
			return view, nil
		}
	}
}

// awaitView waits for the watch connection, and at the start for the session.
func (c *client) awaitView(ctx context.Context) (*conn, error) {
	late := time.NewTimer(loadWait)
	defer late.Stop()
	for _, first := range []bool{true, false} {
		var wait chan struct{}
		c.w.locked(func() {
			wait = c.watch.isUp
			if first {
				wait = c.first
			}
		})
		select {
		case <-wait:
			continue
		default:
		}
		select {
		case <-wait:
		case <-late.C:
			return nil, fmt.Errorf("%w: not connected", cluster.ErrUnreachable)
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: not connected", cluster.ErrUnreachable)
		}
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if k := c.watch.conn; k != nil && k.up {
		return k, nil
	}
	return nil, fmt.Errorf("%w: not connected", cluster.ErrUnreachable)
}

// reconcile compares the view with what this session believes to own.
func (c *client) reconcile(view *cluster.Cluster) {
	var lost bool
	c.w.mu.Lock()
	own := c.own
	if m := view.Member(c.name); m == nil && c.seen {
		c.member, c.seen = nil, false
	} else if m != nil && c.sess != nil && m.Session == c.sess.id {
		c.seen = true
	}
	switch l := view.Leader; {
	case own != nil && l != nil && l.Epoch > own.Epoch:
		lost = true
	case own != nil && (l == nil || l.Epoch != own.Epoch):
		notify(c.kicked)
	case own == nil && l != nil && c.sess != nil && l.Session == c.sess.id && l.Epoch != c.abandoned:
		notify(c.kicked)
	}
	c.w.mu.Unlock()
	if lost {
		c.loseLease(own, "a later leader was seen")
	}
}
