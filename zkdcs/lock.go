package zkdcs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// maxAttempts bounds the tries of one Acquire: the first, one with a fresh
// failover key, and one for each lost answer.
const maxAttempts = 4

// errRetry asks for one more attempt to acquire.
var errRetry = errors.New("try again")

// Acquire creates the leader znode and, in the same transaction, blanks the
// failover key if view shows a request that is due now or is for this member
// (beside older members it stays for the leader to remove). A lock that Inherit
// allows to be taken over is replaced in one transaction.
// An active sync key must be as in view, else cluster.ErrConflict: it says who
// may lead.
// It reports false, and no error, if another member was faster. After a lost
// answer it tries again on the same session until ctx ends; then it returns
// cluster.ErrOutcomeUnknown, and the lease appears by itself if the znode
// turns out to be this session's. A release that pends is finished first.
func (s *Store) Acquire(ctx context.Context, view *cluster.Cluster) (bool, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	defer s.view.touch(keyLeader, keyFailover, keySync)
	l, sess, err := s.connected()
	if err != nil {
		return false, fmt.Errorf("acquire leader lock: %w", err)
	}
	var blank *cluster.Failover
	if view != nil && view.Failover.Exists && s.concerns(view.Failover) && !s.blankedLater(view.Failover) {
		blank = &view.Failover
	}
	sync := (*cluster.SyncState)(nil)
	if view != nil && view.Sync.Active() {
		sync = &view.Sync
	}
	won, err := s.attempt(ctx, l, sess, &blank, sync)
	var doubt error // the first attempt that may have created the znode
	for range maxAttempts {
		if doubt == nil && errors.Is(err, cluster.ErrOutcomeUnknown) {
			doubt = err
		}
		again := errors.Is(err, errRetry) || doubt != nil && lostContact(err)
		if !again {
			break
		}
		if l, sess, err = s.awaitConnected(ctx); err != nil {
			break
		}
		won, err = s.attempt(ctx, l, sess, &blank, sync)
	}
	switch {
	case errors.Is(err, errRetry):
		err = cluster.ErrConflict
	case doubt != nil && lostContact(err):
		err = doubt
	}
	if err != nil {
		return false, fmt.Errorf("acquire leader lock: %w", err)
	}
	return won, nil
}

// lostContact reports that err left open what is stored.
func lostContact(err error) bool {
	return errors.Is(err, cluster.ErrOutcomeUnknown) || errors.Is(err, cluster.ErrUnreachable)
}

// concerns reports whether this member's leadership answers the request.
func (s *Store) concerns(f cluster.Failover) bool {
	return f.Due() || f.Pending() && f.Candidate == s.opts.Name
}

// attempt tries once to create the leader znode. blank is the request to
// blank, or nil; it is replaced before errRetry is returned. sync, if not nil,
// must still be the sync key: it says that this member may lead.
func (s *Store) attempt(ctx context.Context, l *link, sess Session, blank **cluster.Failover, sync *cluster.SyncState) (bool, error) {
	if err := s.settleFirst(ctx, l, sess); err != nil {
		return false, err
	}
	if won, done, err := s.inheritLeader(ctx, l, sess); done {
		return won, err
	}
	if err := s.claimName(ctx, l, sess); err != nil {
		return false, err
	}
	ops := []any{opCreate(s.paths.of(keyLeader), []byte(s.opts.Name), zk.FlagEphemeral), opBeginReign(s.paths)}
	if f := *blank; f != nil {
		ops = append(ops, opSet(s.paths.of(keyFailover), cluster.Failover{}.Encode(), f.Version))
	}
	if sync != nil {
		ops = append(ops, &zk.CheckVersionRequest{Path: s.paths.of(keySync), Version: sync.Version})
	}
	sent := lease.Now()
	results, failed, err := write(ctx, l, ops...)
	answer := lease.Now()
	switch {
	case err == nil:
		return s.won(ctx, l, sess, proof{sent, answer, results[1].Stat.Version})
	case errors.Is(err, zk.ErrNodeExists):
		return s.lost(ctx, l, sess)
	case sync != nil && failed == len(ops)-1:
		return false, fmt.Errorf("%w: the sync key has changed", cluster.ErrConflict)
	case failed == 2:
		f, err := s.sameRequest(ctx, l, **blank)
		if err != nil {
			return false, err
		}
		*blank = f
		return false, errRetry
	case errors.Is(err, zk.ErrNoNode): // the base was removed
		if err := ensureParents(ctx, l, s.paths.registration(s.opts.Name)); err != nil {
			return false, writeError(err)
		}
		return false, errRetry
	}
	return false, writeError(err)
}

// proof is the transaction that made a leader znode.
type proof struct {
	sent, answered lease.Instant
	reign          int32
}

// won reads the epoch of the znode that was just created.
func (s *Store) won(ctx context.Context, l *link, sess Session, p proof) (bool, error) {
	n, err := readNode(ctx, l, s.paths.of(keyLeader))
	if err != nil {
		// Created, but without epoch there is no lease: look again.
		return false, fmt.Errorf("read back leader: %w: %s", cluster.ErrOutcomeUnknown, err)
	}
	if !n.exists || n.stat.EphemeralOwner != sess.ID {
		return false, nil // removed by a stranger since
	}
	own := s.own(sess, cluster.Epoch(n.stat.Czxid))
	if own == nil {
		return false, nil // the session has ended since, or it was released
	}
	s.reigns(own, p.reign)
	s.proven(own, p.sent, p.answered)
	s.log.Info("leader lock acquired", slog.String("session", hex(sess.ID)), slog.Int64("epoch", int64(own.Epoch)))
	return s.holds(own), nil
}

// lost looks whose the existing znode is: after a lost answer it may be ours.
func (s *Store) lost(ctx context.Context, l *link, sess Session) (bool, error) {
	n, err := readNode(ctx, l, s.paths.of(keyLeader))
	if err != nil {
		return false, fmt.Errorf("read back leader: %w: %s", cluster.ErrOutcomeUnknown, err)
	}
	if !n.exists || n.stat.EphemeralOwner != sess.ID {
		return false, nil
	}
	s.mu.Lock()
	s.sess.abandoned = 0
	s.mu.Unlock()
	own := s.own(sess, cluster.Epoch(n.stat.Czxid))
	if own == nil {
		return false, nil // the session has ended since, or it was released
	}
	if err := s.prove(ctx, l, sess, own); err != nil {
		return false, err
	}
	return s.holds(own), nil
}

func (s *Store) holds(own *lease.Proofs) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sess.own == own && own.Lease.Held()
}

// sameRequest reads the failover key again. It returns the request to blank,
// or nil if the old one is gone: a new one has not been seen by the caller
// and stays.
func (s *Store) sameRequest(ctx context.Context, l *link, old cluster.Failover) (*cluster.Failover, error) {
	n, err := readNode(ctx, l, s.paths.of(keyFailover))
	if err != nil {
		return nil, readError(err)
	}
	if !n.exists {
		return nil, nil
	}
	f := cluster.ParseFailover(n.data, n.stat.Version)
	if f.Leader != old.Leader || f.Candidate != old.Candidate || !f.ScheduledAt.Equal(old.ScheduledAt) {
		return nil, nil
	}
	return &f, nil
}
