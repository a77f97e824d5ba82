package sim

import (
	"context"
	"errors"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// maxRenewals bounds the renewals that wait for an answer.
const maxRenewals = 8

func (c *client) params() lease.Params {
	t := c.timeout()
	return lease.Params{Timeout: t, Tick: c.w.zk.tick, Interval: lease.Interval(t, c.w.zk.tick)}
}

// runRenewals proves the lease on schedule, also while an earlier proof is
// unanswered.
func (c *client) runRenewals(ctx context.Context) {
	due := make(chan struct{})
	workers := 0
	for {
		var tick <-chan time.Time
		var t *time.Timer
		c.w.locked(func() {
			if c.own != nil || c.release != nil {
				t = time.NewTimer(c.params().Interval)
				tick = t.C
			}
		})
		select {
		case <-tick:
		case <-c.kicked:
		case <-ctx.Done():
			return
		}
		if t != nil {
			t.Stop()
		}
		if !c.p.gate() {
			return
		}
		select {
		case due <- struct{}{}:
		default: // all of them wait for an answer
			if workers < maxRenewals {
				workers++
				go c.keepRenewing(ctx, due)
			}
		}
	}
}

// keepRenewing renews now and whenever it is due.
func (c *client) keepRenewing(ctx context.Context, due <-chan struct{}) {
	for {
		c.renew(ctx)
		select {
		case <-due:
		case <-ctx.Done():
			return
		}
	}
}

// renew proves the lease, retries a release, or looks whether the leader
// znode is this session's.
func (c *client) renew(ctx context.Context) {
	k := c.connected()
	if k == nil {
		return
	}
	var own *lease.Proofs
	var pending *pendingRelease
	c.w.locked(func() { own, pending = c.own, c.release })
	switch {
	case own != nil:
		_ = c.prove(ctx, k, own) // the next one is due soon
	case pending != nil:
		_ = c.settle(ctx, k, pending)
	default:
		_ = c.adopt(ctx, k)
	}
}

// prove writes the own registration on condition that a leader znode exists,
// then reads whose that is.
func (c *client) prove(ctx context.Context, k *conn, own *lease.Proofs) error {
	e := c.w.zk
	sent := c.p.clock()
	gone, unregistered := false, false
	err := c.call(ctx, k, true, func() error {
		r := e.registered[c.name]
		gone = e.lock == nil
		unregistered = !gone && (r == nil || r.session != k.sess.id)
		e.commit()
		return nil
	})
	answered := c.p.clock()
	switch {
	case err != nil:
		return err
	case gone:
		c.loseLease(own, "the leader znode is gone")
		return nil
	case unregistered:
		return c.register(ctx, k)
	}
	mine := false
	err = c.call(ctx, k, false, func() error {
		mine = e.lock != nil && e.lock.Session == k.sess.id && e.lock.Epoch == own.Epoch
		return nil
	})
	if err != nil {
		return err
	}
	if !mine {
		c.loseLease(own, "the leader znode is not this session's any more")
		return nil
	}
	c.proven(own, sent, answered)
	return nil
}

func (c *client) proven(own *lease.Proofs, sent, answered lease.Instant) {
	c.w.locked(func() {
		c.provenAt = c.w.now()
		if c.own == own && own.Prove(sent, answered, c.params()) {
			notify(c.changed)
		}
	})
}

// adopt takes the lease on a leader znode that this session owns without one.
func (c *client) adopt(ctx context.Context, k *conn) error {
	var found *cluster.Leader
	err := c.call(ctx, k, false, func() error {
		if l := k.shown().Leader; l != nil && l.Session == k.sess.id {
			found = l
		}
		return nil
	})
	if err != nil {
		return err
	}
	own := c.present()
	if own != nil && (found == nil || own.Epoch != found.Epoch) {
		c.loseLease(own, "the leader znode is not this session's any more")
	}
	if found == nil {
		return nil
	}
	if own = c.ownership(k, found.Epoch); own == nil {
		return nil
	}
	return c.prove(ctx, k, own)
}

// ownership starts a leadership without proof yet, or returns the one of that
// epoch; nil if it was given up.
func (c *client) ownership(k *conn, epoch cluster.Epoch) *lease.Proofs {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if c.sess == nil || c.sess != k.sess || c.abandoned == epoch || c.release.covers(epoch) {
		return nil
	}
	if c.own == nil || c.own.Epoch != epoch {
		c.own = &lease.Proofs{Epoch: epoch, Session: k.sess.id}
		c.syncAtLeast, c.syncDoubt = 0, false
		notify(c.kicked) // so that the renewals begin
	}
	return c.own
}

func (c *client) loseLease(own *lease.Proofs, why string) {
	c.w.locked(func() {
		if c.own == own {
			c.own = nil
			c.watch.touch()
			c.w.note(c.name, "its lease of epoch %d is over: %s", own.Epoch, why)
			notify(c.changed)
		}
	})
}

// register creates the own registration.
func (c *client) register(ctx context.Context, k *conn) error {
	e := c.w.zk
	inUse := false
	err := c.call(ctx, k, true, func() error {
		if r := e.registered[c.name]; r != nil && r.session != k.sess.id {
			inUse = true
			return nil
		}
		e.registered[c.name] = &registration{session: k.sess.id, instance: c.p.id}
		e.commit()
		return nil
	})
	if err != nil {
		return err
	}
	if inUse {
		return cluster.ErrNameInUse
	}
	c.w.locked(func() { c.registered = true })
	return nil
}

// settle tries once to end a leadership that was given up.
func (c *client) settle(ctx context.Context, k *conn, p *pendingRelease) error {
	e := c.w.zk
	done := false
	err := c.call(ctx, k, true, func() error {
		if e.lock == nil || e.lock.Session != k.sess.id || !p.covers(e.lock.Epoch) {
			return nil
		}
		p.epoch, done = e.lock.Epoch, true
		e.rest.Status = p.status
		c.w.released(c.p.n)
		c.w.note("zk", "%s releases the leader znode of epoch %d, optime %d, in order %v", c.name, e.lock.Epoch, p.status.Optime, p.status.Released != 0)
		e.lock = nil
		e.commit()
		e.changed("leader", "status")
		return nil
	})
	if err != nil {
		return err
	}
	c.w.locked(func() {
		if p.epoch != 0 {
			c.abandoned = p.epoch
		}
		if c.release == p {
			c.release = nil
		}
		c.watch.touch()
	})
	if !done {
		return cluster.ErrNotLeader
	}
	return nil
}

func lostContact(err error) bool {
	return errors.Is(err, cluster.ErrOutcomeUnknown) || errors.Is(err, cluster.ErrUnreachable)
}
