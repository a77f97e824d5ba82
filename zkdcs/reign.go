package zkdcs

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// reign tells one leadership from those after it. Whoever acquires the lock
// writes the parent of the registrations in the same transaction; nothing else
// does, so its version counts the leaderships. The version of the leader znode
// can't: it is 0 for life, whosever it is. A leader of Patroni does not count.
type reign struct {
	epoch   cluster.Epoch // of the leadership; 0: the version is not known
	version int32
}

// opBeginReign goes with the creation of the leader znode.
func opBeginReign(p paths) *zk.SetDataRequest { return opSet(p.of(keyRegistration), nil, -1) }

// opSameReign asserts that nobody has acquired the lock since.
func opSameReign(p paths, version int32) *zk.CheckVersionRequest {
	return &zk.CheckVersionRequest{Path: p.of(keyRegistration), Version: version}
}

// reigns notes the version of own, if that is still the present leadership.
func (s *Store) reigns(own *lease.Proofs, version int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sess.own == own {
		s.sess.reign = reign{epoch: own.Epoch, version: version}
	}
}

func (s *Store) forgetReign() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sess.reign = reign{}
}

// reignOf is the version of own: known from the acquisition, or read, if the
// leader znode was adopted. It is read before the leader znode: as long as that
// is ours, nobody has come after us. ErrNotLeader if it is not.
func (s *Store) reignOf(ctx context.Context, l *link, sess Session, own *lease.Proofs) (int32, error) {
	s.mu.Lock()
	known := s.sess.reign
	s.mu.Unlock()
	if known.epoch == own.Epoch {
		return known.version, nil
	}
	path := s.paths.of(keyRegistration)
	if _, err := request(ctx, l, func(c *zk.Conn) (string, error) { return c.Sync(path) }); err != nil {
		return 0, readError(err)
	}
	parent, err := readNode(ctx, l, path)
	if err != nil {
		return 0, readError(err)
	}
	leader, err := readNode(ctx, l, s.paths.of(keyLeader))
	switch {
	case err != nil:
		return 0, readError(err)
	case !leader.exists || leader.stat.EphemeralOwner != sess.ID || cluster.Epoch(leader.stat.Czxid) != own.Epoch:
		s.loseLease(own, "the leader znode is not this session's any more")
		return 0, cluster.ErrNotLeader
	}
	s.reigns(own, parent.stat.Version)
	return parent.stat.Version, nil
}

// asLeader runs ops on condition that the leadership own goes on. failed and
// err are as of write, but for cluster.ErrNotLeader.
func (s *Store) asLeader(ctx context.Context, l *link, sess Session, own *lease.Proofs, ops ...any) (failed int, err error) {
	for range 2 { // again if what is known is out of date
		version, err := s.reignOf(ctx, l, sess, own)
		if err != nil {
			return -1, err
		}
		checks := []any{opCheckLeader(s.paths), opSameReign(s.paths, version)}
		_, failed, err := write(ctx, l, append(checks, ops...)...)
		switch failed {
		case 0:
			s.loseLease(own, "the leader znode is gone")
			return -1, cluster.ErrNotLeader
		case 1:
			s.forgetReign()
			continue
		}
		return max(failed-len(checks), -1), err
	}
	return -1, fmt.Errorf("%w: leaderships are counted by somebody else", cluster.ErrConflict)
}

// present is the leadership of this session and the connection to act by.
func (s *Store) present() (*link, Session, *lease.Proofs, error) {
	s.mu.Lock()
	own := s.sess.own
	s.mu.Unlock()
	if own == nil {
		return nil, Session{}, nil, cluster.ErrNotLeader
	}
	l, sess, err := s.connected()
	return l, sess, own, err
}

// leaderWrite sets key, or creates it, as leader.
func (s *Store) leaderWrite(ctx context.Context, key string, data []byte) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	defer s.view.touch(key)
	if err := s.setAsLeader(ctx, s.paths.of(key), data); err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	return nil
}

func (s *Store) setAsLeader(ctx context.Context, path string, data []byte) error {
	if err := fits(data); err != nil {
		return err
	}
	l, sess, own, err := s.present()
	if err != nil {
		return err
	}
	failed, err := s.asLeader(ctx, l, sess, own, opSet(path, data, -1))
	if failed == 0 && errors.Is(err, zk.ErrNoNode) {
		_, err = s.asLeader(ctx, l, sess, own, opCreate(path, data, 0))
	}
	return callerError(err)
}
