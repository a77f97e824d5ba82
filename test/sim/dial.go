package sim

import (
	"context"
	"time"
)

const (
	handshakeLimit = 2 * time.Second
	// roundPause is what the client library waits before it tries all hosts again.
	roundPause = time.Second
)

// replyLimit is how long a request may stay unanswered.
func replyLimit(timeout time.Duration) time.Duration { return max(timeout/5, time.Second) }

// rest waits; it reports false when ctx has ended.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// hosts are the servers in the order in which one connection tries them, as
// those of zkdcs/zkwire.
type hosts struct {
	order []int
	// tried counts since the last success.
	next, tried int
}

func (c *client) newHosts() *hosts {
	h := &hosts{}
	c.w.locked(func() { h.order = c.dice.Perm(servers) })
	return h
}

// try is the server to try next, and how long to wait before that.
func (h *hosts) try() (server int, pause time.Duration) {
	if h.tried >= servers {
		h.tried, pause = 0, roundPause
	}
	h.tried++
	server = h.order[h.next%servers]
	h.next++
	return server, pause
}

// dial makes one connection to the next server; nil after a failure. attach is
// called at the server with w.mu held and says what the session is.
func (c *client) dial(ctx context.Context, h *hosts, attach func(k *conn) bool) *conn {
	server, pause := h.try()
	if pause != 0 && !rest(ctx, pause) {
		return nil
	}
	if !c.p.gate() {
		<-ctx.Done() // is about to
		return nil
	}
	var k *conn
	var takes time.Duration
	refused := false
	c.w.locked(func() {
		k = newConn(c.w, c.p.n.host, c.dice, server, replyLimit(c.timeout()))
		takes = k.hop() + k.hop()
		switch {
		case !k.outward() || !k.inward() || c.w.now() < c.w.zk.stalled:
			refused, takes = true, handshakeLimit
		case !c.w.zk.serves(k.server):
			refused = true
		}
	})
	if !rest(ctx, takes) || refused {
		return nil
	}
	ok := false
	c.w.locked(func() { ok = c.w.zk.serves(k.server) && c.w.now() >= c.w.zk.stalled && k.outward() && attach(k) })
	if !rest(ctx, takes/2) || !c.p.gate() {
		return nil
	}
	c.w.locked(func() { ok = ok && k.inward() && k.up && !c.closing })
	if !ok {
		rest(ctx, takes)
		return nil
	}
	h.tried = 0
	return k
}
