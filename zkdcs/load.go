package zkdcs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
)

const (
	// loadWait is how long Load waits for a connection that is being made.
	loadWait = time.Second
	// loadRounds: the keys and the list of members, then new members.
	loadRounds = 2
)

// Load returns the current view: the cached one while no watch has said that
// it is stale, else one in which the stale keys, and status, have been read
// again. The view is shared and must not be changed. It returns
// cluster.ErrUnreachable, after a second at most, while disconnected.
func (s *Store) Load(ctx context.Context) (*cluster.Cluster, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	c, err := s.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("read cluster: %w", err)
	}
	s.reconcile(c)
	return c, nil
}

// Invalidate makes the next Load read everything again.
func (s *Store) Invalidate() { s.view.invalidate() }

func (s *Store) load(ctx context.Context) (*cluster.Cluster, error) {
	l, err := s.awaitView(ctx)
	if err != nil {
		return nil, err
	}
	select {
	case s.view.turn <- struct{}{}:
		defer func() { <-s.view.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", cluster.ErrUnreachable, context.Cause(ctx))
	}
	c, err := s.view.refresh(ctx, l)
	if err != nil || !s.outdated(c) {
		return c, err
	}
	// The server that the watch connection talks to is behind the one that
	// has committed our own leadership, or what we wrote as leader.
	path := s.paths.of(keyLeader)
	if _, err := request(ctx, l, func(c *zk.Conn) (string, error) { return c.Sync(path) }); err != nil {
		return nil, readError(err)
	}
	s.view.touch(keyLeader, keySync)
	if c, err = s.view.refresh(ctx, l); err == nil {
		s.caughtUp()
	}
	return c, err
}

// caughtUp notes that a view from behind a sync has been read.
func (s *Store) caughtUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sess.syncAtLeast, s.sess.syncDoubt = 0, false
}

// awaitView is the watch connection, or ErrUnreachable after loadWait. At the
// start it also waits for the session, so that a view never shows a leader
// znode of this session before its lease has been resumed.
func (s *Store) awaitView(ctx context.Context) (*link, error) {
	v := s.view
	v.mu.Lock()
	l, isUp := v.link, v.isUp
	v.mu.Unlock()
	late := time.NewTimer(loadWait)
	defer late.Stop()
	for _, ready := range []chan struct{}{s.first, isUp} {
		select {
		case <-ready:
			continue
		default:
		}
		select {
		case <-ready:
		case <-late.C:
			return nil, fmt.Errorf("%w: %w", cluster.ErrUnreachable, errNotSent)
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", cluster.ErrUnreachable, context.Cause(ctx))
		}
	}
	if l == nil {
		v.mu.Lock()
		l = v.link
		v.mu.Unlock()
	}
	if l == nil {
		return nil, fmt.Errorf("%w: %w", cluster.ErrUnreachable, errNotSent)
	}
	return l, nil
}

// outdated reports that c is older than this session's leadership, or than
// what it wrote to the sync key: the next step of synchronous replication must
// not rest on a key that is not in force any more.
func (s *Store) outdated(c *cluster.Cluster) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.sess.own
	return own != nil && (c.Leader == nil || c.Leader.Epoch < own.Epoch || s.sess.syncDoubt || c.Sync.Version < s.sess.syncAtLeast)
}

// reconcile compares the view with what this session believes to own.
func (s *Store) reconcile(c *cluster.Cluster) {
	s.mu.Lock()
	own, sess, abandoned := s.sess.own, s.sess.session, s.sess.abandoned
	s.announcing = unwatching(c, s.opts.Name)
	if m := c.Member(s.opts.Name); m != nil && m.Session == sess.ID {
		s.sess.seen = true
	} else if s.sess.seen {
		s.sess.member, s.sess.seen = nil, false // removed by somebody
	}
	s.mu.Unlock()
	switch {
	case own != nil && c.Leader != nil && c.Leader.Epoch > own.Epoch:
		s.loseLease(own, "a later leader was seen")
	case own != nil && (c.Leader == nil || c.Leader.Epoch != own.Epoch):
		notify(s.renewal) // looks at the znode through the owning session
	case own == nil && c.Leader != nil && sess.ID != 0 && c.Leader.Session == sess.ID && c.Leader.Epoch != abandoned:
		notify(s.renewal)
	}
}

// refresh reads what is stale and returns the view. v.turn is held.
func (v *view) refresh(ctx context.Context, l *link) (*cluster.Cluster, error) {
	anew := false
	for range loadRounds {
		tasks, ok := v.tasks(l)
		if !ok {
			return nil, fmt.Errorf("%w: %w", cluster.ErrUnreachable, errNotSent)
		}
		if len(tasks) == 0 {
			break
		}
		anew = true
		list, err := v.readAll(ctx, l, tasks)
		if errors.Is(err, errAbandoned) {
			l.end("a read got no answer") // it may still set a watch
		}
		if err != nil {
			v.failed(l, tasks)
			return nil, readError(err)
		}
		if !v.store(l, list) {
			return nil, fmt.Errorf("%w: %w", cluster.ErrUnreachable, errNotSent)
		}
	}
	if anew || v.result == nil {
		v.result = parse(v.snapshot())
	}
	return v.result, nil
}

// readAll makes all requests at once: it takes about one round trip.
func (v *view) readAll(ctx context.Context, l *link, tasks []task) ([]reading, error) {
	list, errs := make([]reading, len(tasks)), make([]error, len(tasks))
	limit := make(chan struct{}, maxWaiting/2)
	var wg sync.WaitGroup
	for i, t := range tasks {
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			list[i], errs[i] = v.read(ctx, l, t)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (v *view) read(ctx context.Context, l *link, t task) (reading, error) {
	v.reads.Add(1)
	path := v.paths.of(t.key)
	return request(ctx, l, func(c *zk.Conn) (reading, error) {
		r := reading{task: t}
		var err error
		switch {
		case t.key == keyMembers:
			r.names, r.armed, err = readChildren(c, path, t.arm)
		case t.key == keyStatus:
			r.node, err = readStatus(c, path, v.paths.of(keyOptime))
		default:
			r.node, r.armed, err = readWatched(c, path, t.arm, !isMember(t.key))
			if isMember(t.key) && errors.Is(err, zk.ErrNoAuth) {
				r.node, r.armed, err = readDenied(c, path, t.arm)
			}
		}
		return r, err
	})
}

// readWatched reads a znode and sets a watch with it if arm is set. With
// created it also watches for an absent one to appear.
func readWatched(c *zk.Conn, path string, arm, created bool) (n znode, armed bool, err error) {
	if !arm {
		n, err = found(c.Get(path))
		return n, false, err
	}
	data, stat, _, err := c.GetW(path)
	if n, err = found(data, stat, err); err != nil || n.exists || !created {
		return n, n.exists, err
	}
	exists, _, _, err := c.ExistsW(path)
	if err != nil || !exists {
		return znode{}, err == nil, err
	}
	n, err = found(c.Get(path)) // appeared in between; the watch is set
	return n, true, err
}

// readDenied is readWatched for a znode whose ACL does not let this agent read
// it: that it is there can be told by most servers, and with a watch also when
// it changes, after which it may be readable.
func readDenied(c *zk.Conn, path string, arm bool) (n znode, armed bool, err error) {
	var exists bool
	var stat *zk.Stat
	if arm {
		exists, stat, _, err = c.ExistsW(path)
	} else {
		exists, stat, err = c.Exists(path)
	}
	switch {
	case errors.Is(err, zk.ErrNoAuth):
		return znode{exists: true, denied: true}, false, nil
	case err != nil:
		return znode{}, false, err
	case !exists:
		return znode{}, arm, nil
	}
	return znode{exists: true, denied: true, stat: *stat}, arm, nil
}

// readChildren is readWatched for the list of children.
func readChildren(c *zk.Conn, path string, arm bool) (names []string, armed bool, err error) {
	for range 2 {
		if arm {
			names, _, _, err = c.ChildrenW(path)
		} else {
			names, _, err = c.Children(path)
		}
		if !errors.Is(err, zk.ErrNoNode) {
			return names, err == nil, err
		}
		if !arm {
			return nil, false, nil
		}
		exists, _, _, err := c.ExistsW(path)
		if err != nil || !exists {
			return nil, err == nil, err
		}
	}
	return nil, false, err
}

// readStatus reads the status key, or the one of older releases.
func readStatus(c *zk.Conn, path, legacy string) (znode, error) {
	n, err := found(c.Get(path))
	if err != nil || n.exists {
		return n, err
	}
	return found(c.Get(legacy))
}
