package zkdcs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
)

// releasePause is between two attempts of one Release.
const releasePause = 20 * time.Millisecond

// pendingRelease is a leadership that was given up and whose znode may still
// be there. As long as it pends there is no other leadership of this session:
// Acquire ends it first. It is guarded by Store.mu.
type pendingRelease struct {
	// epoch is 0 until it is known: then any leader znode of this session is
	// meant.
	epoch   cluster.Epoch
	status  cluster.Status
	deleted bool // by this session's transaction
}

// covers reports whether the leader znode of that epoch is to be deleted.
func (p *pendingRelease) covers(epoch cluster.Epoch) bool {
	return p != nil && (p.epoch == 0 || p.epoch == epoch)
}

// Release writes status and deletes the leader znode in one transaction of
// the session that owns it; ErrNotLeader if this session does not. The lease
// is over from the moment of the call, whatever comes of it.
//
// It waits for a connection, and repeats after a lost answer, until ctx ends.
// If the znode may be there even then, it returns cluster.ErrOutcomeUnknown,
// or cluster.ErrUnreachable if nothing has been sent, and the release will be
// retried by itself for as long as the session lives. The lease does not come
// back meanwhile.
func (s *Store) Release(ctx context.Context, status cluster.Status) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	p := s.giveUp(status)
	err := s.release(ctx, p)
	if err == nil {
		return nil
	}
	if s.pending() == p {
		s.log.Warn("leader lock is not released yet", slog.Any("err", err))
		notify(s.renewal)
	}
	return fmt.Errorf("release leader lock: %w", err)
}

// giveUp ends the lease and notes that its znode is to be deleted. A repeated
// call goes on with what pends.
func (s *Store) giveUp(status cluster.Status) *pendingRelease {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.sess.release
	if p == nil {
		p = &pendingRelease{}
	}
	p.status = status
	if own := s.sess.own; own != nil {
		p.epoch, s.sess.abandoned, s.sess.own = own.Epoch, own.Epoch, nil
	}
	s.sess.release = p
	return p
}

func (s *Store) pending() *pendingRelease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sess.release
}

// settled forgets p, whose znode is gone.
func (s *Store) settled(p *pendingRelease, deleted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.deleted = deleted
	if deleted {
		s.sess.released = p.epoch
	}
	if s.sess.release == p {
		s.sess.release = nil
	}
}

// release settles p before ctx ends, or says why not.
func (s *Store) release(ctx context.Context, p *pendingRelease) error {
	if err := s.takeReleasing(ctx); err != nil {
		return err
	}
	defer s.leaveReleasing()
	var doubt error // the first attempt that may have deleted the znode
	for s.pending() == p {
		l, sess, err := s.awaitConnected(ctx)
		if err == nil {
			err = s.settle(ctx, l, sess, p)
		}
		switch {
		case err == nil, doubt != nil && errors.Is(err, cluster.ErrNotLeader):
			return nil
		case doubt == nil && errors.Is(err, cluster.ErrOutcomeUnknown):
			doubt = err
		}
		if !lostContact(err) && !errors.Is(err, cluster.ErrConflict) {
			return err
		}
		pause(ctx, releasePause)
		if ctx.Err() != nil && doubt != nil {
			return doubt
		}
		if ctx.Err() != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.deleted { // by a retry of an earlier call
		return nil
	}
	return cluster.ErrNotLeader // the session has ended
}

// takeReleasing waits for the right to settle, which only one has at a time:
// a transaction that was prepared for one leader znode must not meet the next.
func (s *Store) takeReleasing(ctx context.Context) error {
	select {
	case s.releasing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", cluster.ErrUnreachable, context.Cause(ctx))
	}
}

func (s *Store) leaveReleasing() { <-s.releasing }

// retryRelease is one more attempt at a release that pends, unless somebody
// is at it.
func (s *Store) retryRelease(ctx context.Context, l *link, sess Session) error {
	select {
	case s.releasing <- struct{}{}:
		defer s.leaveReleasing()
	default:
		return nil
	}
	return s.settlePending(ctx, l, sess)
}

// settleFirst ends an earlier leadership before the next one begins.
func (s *Store) settleFirst(ctx context.Context, l *link, sess Session) error {
	if s.pending() == nil {
		return nil
	}
	if err := s.takeReleasing(ctx); err != nil {
		return err
	}
	defer s.leaveReleasing()
	return s.settlePending(ctx, l, sess)
}

// settlePending settles what pends, if anything; the caller has the turn.
func (s *Store) settlePending(ctx context.Context, l *link, sess Session) error {
	p := s.pending()
	if p == nil {
		return nil
	}
	err := s.settle(ctx, l, sess, p)
	if err != nil && !errors.Is(err, cluster.ErrNotLeader) {
		return fmt.Errorf("finish the release of the leader lock: %w", err)
	}
	return nil
}

// settle tries once to end p. ErrNotLeader means that there is no such znode
// (any more): p is settled too. After any other error it still pends.
func (s *Store) settle(ctx context.Context, l *link, sess Session, p *pendingRelease) error {
	defer s.view.touch(keyLeader, keyStatus)
	r, err := s.readLeadership(ctx, l, sess, p)
	if err != nil {
		return err
	}
	if !r.ours {
		s.settled(p, false)
		return cluster.ErrNotLeader
	}
	s.mu.Lock()
	p.epoch, s.sess.abandoned = r.epoch, r.epoch
	status := p.status
	s.mu.Unlock()
	err = s.letGo(ctx, l, r, status)
	if err == nil {
		s.log.Info("leader lock released", slog.String("session", hex(sess.ID)))
	}
	if err == nil || errors.Is(err, cluster.ErrNotLeader) {
		s.settled(p, err == nil)
	}
	return err
}

// letGo writes status and deletes the leader znode that r was read of. It
// returns ErrNotLeader if there is none.
func (s *Store) letGo(ctx context.Context, l *link, r leadership, status cluster.Status) error {
	path := s.paths.of(keyStatus)
	ops := []any{opDelete(s.paths.of(keyLeader), 0), opSet(path, status.Encode(), -1)}
	if r.counted {
		ops = append(ops, opSameReign(s.paths, r.reign))
	}
	if r.fenced {
		// An earlier attempt without answer has written this too, so only one
		// of the two can delete: the other might meet a stranger's znode.
		ops = append(ops, opSet(s.paths.registration(s.opts.Name), []byte(s.opts.InstanceID), r.version))
	}
	_, failed, err := write(ctx, l, ops...)
	if failed == 1 && errors.Is(err, zk.ErrNoNode) {
		ops[1] = opCreate(path, status.Encode(), 0)
		_, failed, err = write(ctx, l, ops...)
	}
	if failed == 0 {
		return cluster.ErrNotLeader
	}
	return writeError(err)
}

// leadership is what a release starts from.
type leadership struct {
	ours    bool // the leader znode is this session's and to be deleted
	epoch   cluster.Epoch
	fenced  bool  // the own registration is there
	version int32 // of the own registration, read before the leader znode
	counted bool  // leaderships are
	reign   int32 // how many there were, read before the leader znode
}

// readLeadership looks whether there is something to delete. A "no" is final
// and believed only after a sync: a server that a fresh client has come to may
// be behind.
func (s *Store) readLeadership(ctx context.Context, l *link, sess Session, p *pendingRelease) (leadership, error) {
	r, err := s.readLeadershipOnce(ctx, l, sess, p)
	if err != nil || r.ours {
		return r, err
	}
	path := s.paths.of(keyLeader)
	if _, err := request(ctx, l, func(c *zk.Conn) (string, error) { return c.Sync(path) }); err != nil {
		return r, readError(err)
	}
	return s.readLeadershipOnce(ctx, l, sess, p)
}

func (s *Store) readLeadershipOnce(ctx context.Context, l *link, sess Session, p *pendingRelease) (leadership, error) {
	var r leadership
	if s.opts.Name == "" {
		return r, nil // owns no ephemerals
	}
	own, err := readNode(ctx, l, s.paths.registration(s.opts.Name))
	if err != nil {
		return r, readError(err)
	}
	parent, err := readNode(ctx, l, s.paths.of(keyRegistration))
	if err != nil {
		return r, readError(err)
	}
	r.counted, r.reign = parent.exists, parent.stat.Version
	n, err := readNode(ctx, l, s.paths.of(keyLeader))
	if err != nil {
		return r, readError(err)
	}
	r.fenced, r.version = own.exists && own.stat.EphemeralOwner == sess.ID, own.stat.Version
	r.epoch = cluster.Epoch(n.stat.Czxid)
	s.mu.Lock()
	defer s.mu.Unlock()
	r.ours = n.exists && n.stat.EphemeralOwner == sess.ID && p.covers(r.epoch)
	return r, nil
}
