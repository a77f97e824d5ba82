package sim

import (
	"context"
	"fmt"

	"github.com/pgregent/pgregent/core/cluster"
)

// asLeader makes a write of the leader, on condition that there is a leader
// znode and that nobody has acquired one since this leadership began.
func (c *client) asLeader(ctx context.Context, key string, write func() bool) error {
	if !c.p.gate() {
		return errDead
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	e := c.w.zk
	own := c.present()
	if own == nil {
		return cluster.ErrNotLeader
	}
	k := c.connected()
	if k == nil {
		return fmt.Errorf("%w: not connected", cluster.ErrUnreachable)
	}
	refused := false
	err := c.call(ctx, k, true, func() error {
		if refused = e.lock == nil || e.reign != own.Epoch; refused {
			return nil
		}
		if e.lock.Session != k.sess.id {
			c.w.violated("I4: %s wrote %s as leader of epoch %d while %s holds epoch %d", c.name, key, own.Epoch, e.lock.Name, e.lock.Epoch)
		}
		if write() {
			e.commit()
			e.changed(key)
		}
		return nil
	})
	c.w.locked(c.watch.touch)
	if err == nil && refused {
		c.loseLease(own, "the leader znode is gone")
		return cluster.ErrNotLeader
	}
	return err
}

// SetStatus, SetHistory and SetFailsafe are writes of the leader.
func (c *client) SetStatus(ctx context.Context, s cluster.Status) error {
	return c.asLeader(ctx, "status", func() bool {
		c.w.zk.rest.Status = s
		c.w.setBack = c.w.setBack && c.w.restoring // a leader has its say again
		return true
	})
}

// SetHistory writes the history key.
func (c *client) SetHistory(ctx context.Context, h cluster.History) error {
	return c.asLeader(ctx, "history", func() bool {
		c.w.zk.rest.History, c.w.zk.rest.HistoryZxid = h, c.w.zk.zxid+1
		return true
	})
}

// SetFailsafe writes the failsafe key.
func (c *client) SetFailsafe(ctx context.Context, members map[string]string) error {
	return c.asLeader(ctx, "failsafe", func() bool { c.w.zk.rest.Failsafe, c.w.zk.listed = members, members; return true })
}

// put writes a persistent key if cond holds at the server.
func (c *client) put(ctx context.Context, key string, cond func() bool, write func()) error {
	if !c.p.gate() {
		return errDead
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	k := c.connected()
	if k == nil {
		return fmt.Errorf("%w: not connected", cluster.ErrUnreachable)
	}
	conflict := false
	err := c.call(ctx, k, true, func() error {
		if conflict = !cond(); conflict {
			return nil
		}
		write()
		c.w.zk.commit()
		c.w.zk.changed(key)
		return nil
	})
	c.w.locked(c.watch.touch)
	if err == nil && conflict {
		return cluster.ErrConflict
	}
	return err
}

// versioned reports whether a write under the condition version may be made
// on a key that exists in that version.
func versioned(version int32, exists bool, present int32) bool {
	switch version {
	case cluster.AnyVersion:
		return true
	case cluster.NoVersion:
		return !exists
	}
	return exists && version == present
}

// SetFailover replaces the request.
func (c *client) SetFailover(ctx context.Context, f cluster.Failover, version int32) error {
	r := &c.w.zk.rest
	return c.put(ctx, "failover", func() bool { return versioned(version, r.Failover.Exists, r.Failover.Version) }, func() {
		f.Version = r.Failover.Version + 1
		if !r.Failover.Exists {
			f.Version = 0
		}
		f.Exists = true
		r.Failover = f
	})
}

// SetConfig replaces the dynamic configuration.
func (c *client) SetConfig(ctx context.Context, o *cluster.Object, version int32) error {
	r := &c.w.zk.rest
	return c.put(ctx, "config", func() bool { return versioned(version, r.Config.Version >= 0, r.Config.Version) }, func() {
		next := max(r.Config.Version+1, 0)
		r.Config = cluster.DynamicConfig{Object: o, Version: next, ModifiedZxid: c.w.zk.zxid + 1}
	})
}

// CreateInitialize wins the bootstrap race or loses it.
func (c *client) CreateInitialize(ctx context.Context) (bool, error) {
	r := &c.w.zk.rest
	err := c.put(ctx, "initialize", func() bool { return r.Initialize == nil }, func() { r.Initialize = new(string) })
	if err == cluster.ErrConflict {
		return false, nil
	}
	return err == nil, err
}

// SetInitialize writes the system identifier, never over another valid one.
func (c *client) SetInitialize(ctx context.Context, systemID string) error {
	r := &c.w.zk.rest
	return c.put(ctx, "initialize", func() bool {
		return r.Initialize == nil || !cluster.ValidSystemID(*r.Initialize) || *r.Initialize == systemID
	}, func() { r.Initialize = &systemID })
}

// DeleteInitialize gives a failed bootstrap up.
func (c *client) DeleteInitialize(ctx context.Context) error {
	return c.put(ctx, "initialize", func() bool { return true }, func() { c.w.zk.rest.Initialize = nil })
}
