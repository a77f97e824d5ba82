package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

var _ agent.Store = (*client)(nil)

// Invalidate makes the next Load read everything again.
func (c *client) Invalidate() { c.w.locked(c.watch.touch) }

// Changed receives a value when something may be new.
func (c *client) Changed() <-chan struct{} { return c.changed }

// Lease is not held up by a frozen process: who asks is inside of it.
func (c *client) Lease() lease.Lease {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if c.own == nil || c.p.dead {
		return lease.Lease{}
	}
	return c.own.Lease
}

// SessionID is the session that owns the ephemerals.
func (c *client) SessionID() int64 {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if c.sess == nil {
		return 0
	}
	return c.sess.id
}

// SetTimeouts takes a changed ttl over, for the next new session.
func (c *client) SetTimeouts(session, retry time.Duration) {
	c.w.locked(func() { c.asked, c.retry = session, retry })
}

// Acquire creates the leader znode.
func (c *client) Acquire(ctx context.Context, view *cluster.Cluster) (bool, error) {
	if !c.p.gate() {
		return false, errDead
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	k := c.connected()
	if k == nil {
		return false, fmt.Errorf("%w: not connected", cluster.ErrUnreachable)
	}
	var blank *cluster.Failover
	if f := view.Failover; f.Exists && (f.Due() || f.Pending() && f.Candidate == c.name) {
		blank = &f
	}
	var doubt error
	for range 4 {
		won, err := c.attempt(ctx, k, blank, view.Sync)
		if err == nil {
			return won, nil
		}
		if doubt == nil && errors.Is(err, cluster.ErrOutcomeUnknown) {
			doubt = err
		}
		if errors.Is(err, errSyncChanged) {
			return false, err
		}
		if errors.Is(err, cluster.ErrConflict) {
			blank = nil // another request than was seen stays
			continue
		}
		if doubt == nil || !lostContact(err) {
			return false, err
		}
		if k, err = c.awaitConnected(ctx); err != nil {
			return false, doubt
		}
	}
	return false, errors.Join(doubt, cluster.ErrConflict)
}

// errSyncChanged is no case for another attempt by the same view.
var errSyncChanged = fmt.Errorf("%w: the sync key has changed", cluster.ErrConflict)

// attempt tries once.
func (c *client) attempt(ctx context.Context, k *conn, blank *cluster.Failover, sync cluster.SyncState) (bool, error) {
	e := c.w.zk
	var pending *pendingRelease
	c.w.locked(func() { pending = c.release })
	if pending != nil {
		if err := c.settle(ctx, k, pending); err != nil && !errors.Is(err, cluster.ErrNotLeader) {
			return false, err
		}
	}
	if err := c.claimName(ctx, k); err != nil {
		return false, err
	}
	var created cluster.Epoch
	exists, conflict, barred := false, false, false
	sent := c.p.clock()
	err := c.call(ctx, k, true, func() error {
		exists = e.lock != nil
		conflict = !exists && blank != nil && e.rest.Failover.Version != blank.Version
		barred = !exists && sync.Active() && e.rest.Sync.Version != sync.Version
		if exists || conflict || barred {
			return nil
		}
		created = cluster.Epoch(e.commit())
		e.lock = &cluster.Leader{Name: c.name, Session: k.sess.id, Epoch: created}
		e.reign = created
		c.w.acquired(c.p.n, e.lock)
		keys := []string{"leader"}
		if blank != nil {
			e.rest.Failover = cluster.Failover{Exists: true, Version: blank.Version + 1}
			keys = append(keys, "failover")
		}
		e.changed(keys...)
		return nil
	})
	answered := c.p.clock()
	c.w.locked(c.watch.touch)
	switch {
	case err != nil:
		return false, err
	case barred:
		return false, errSyncChanged
	case conflict:
		return false, cluster.ErrConflict
	case exists:
		return c.lostRace(ctx, k)
	}
	mine := false
	if err := c.call(ctx, k, false, func() error {
		mine = e.lock != nil && e.lock.Session == k.sess.id && e.lock.Epoch == created
		return nil
	}); err != nil {
		return false, fmt.Errorf("read back leader: %w", cluster.ErrOutcomeUnknown)
	}
	if !mine {
		return false, nil
	}
	own := c.ownership(k, created)
	if own == nil {
		return false, nil
	}
	c.proven(own, sent, answered)
	return c.holds(own), nil
}

// lostRace looks whose the existing znode is: it may be ours.
func (c *client) lostRace(ctx context.Context, k *conn) (bool, error) {
	e := c.w.zk
	var found *cluster.Leader
	err := c.call(ctx, k, false, func() error {
		if e.lock != nil && e.lock.Session == k.sess.id {
			l := *e.lock
			found = &l
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("read back leader: %w", cluster.ErrOutcomeUnknown)
	}
	if found == nil {
		return false, nil
	}
	c.w.locked(func() { c.abandoned = 0 })
	own := c.ownership(k, found.Epoch)
	if own == nil {
		return false, nil
	}
	if err := c.prove(ctx, k, own); err != nil {
		return false, err
	}
	return c.holds(own), nil
}

func (c *client) holds(own *lease.Proofs) bool {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.own == own && own.Lease.Held()
}

// Release writes status and deletes the leader znode; the lease is over at
// once, whatever comes of it.
func (c *client) Release(ctx context.Context, status cluster.Status) error {
	if !c.p.gate() {
		return errDead
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var p *pendingRelease
	c.w.locked(func() {
		if p = c.release; p == nil {
			p = &pendingRelease{}
		}
		p.status = status
		if c.own != nil {
			p.epoch, c.abandoned, c.own = c.own.Epoch, c.own.Epoch, nil
		}
		c.release = p
	})
	var doubt error
	for {
		var present bool
		c.w.locked(func() { present = c.release == p })
		if !present {
			return nil // by a retry
		}
		k, err := c.awaitConnected(ctx)
		if err == nil {
			err = c.settle(ctx, k, p)
		}
		if err == nil || doubt != nil && errors.Is(err, cluster.ErrNotLeader) {
			return nil
		}
		if doubt == nil && errors.Is(err, cluster.ErrOutcomeUnknown) {
			doubt = err
		}
		if !lostContact(err) {
			return err
		}
		if !rest(ctx, 20*time.Millisecond) {
			notify(c.kicked) // goes on by itself
			return errors.Join(doubt, err)
		}
	}
}

// Abandon gives the lease up locally.
func (c *client) Abandon() {
	c.w.locked(func() {
		if c.own != nil {
			c.abandoned, c.own = c.own.Epoch, nil
		}
	})
}

// claimName makes sure that this session has the member name.
func (c *client) claimName(ctx context.Context, k *conn) error {
	var registered bool
	c.w.locked(func() { registered = c.registered })
	if registered {
		return nil
	}
	return c.register(ctx, k)
}

// SetMember creates or updates the own member key.
func (c *client) SetMember(ctx context.Context, data cluster.MemberData) error {
	if !c.p.gate() {
		return errDead
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	k := c.connected()
	if k == nil {
		return fmt.Errorf("%w: not connected", cluster.ErrUnreachable)
	}
	if err := c.claimName(ctx, k); err != nil {
		return err
	}
	e := c.w.zk
	inUse := false
	err := c.call(ctx, k, true, func() error {
		m, key := e.members[c.name], "member "+c.name
		switch {
		case m != nil && m.Session != k.sess.id:
			inUse = true
			return nil
		case m == nil:
			m, key = &cluster.Member{Name: c.name, Session: k.sess.id, Version: -1}, "members"
		}
		next := *m
		next.Version, next.Data = m.Version+1, data
		e.members[c.name] = &next
		e.commit()
		e.changed(key)
		return nil
	})
	c.w.locked(func() {
		if c.member = nil; err == nil && !inUse && c.sess == k.sess {
			c.member = &data
		}
	})
	if inUse && err == nil {
		return cluster.ErrNameInUse
	}
	return err
}

// MemberCurrent reports that the own member key is what was last written.
func (c *client) MemberCurrent() bool {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.member != nil && c.sess != nil
}
