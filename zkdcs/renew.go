package zkdcs

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// maxRenewals bounds the renewals that wait for an answer. A silent server is
// left after zkwire.ReplyTimeout, before that many have been sent.
const maxRenewals = 8

// runRenewals proves the lease on schedule, also while an earlier proof is
// unanswered. It does nothing else.
func (s *Store) runRenewals(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, maxRenewals)
	interval := s.params().Interval
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		kicked := false
		select {
		case <-tick.C:
		case <-s.renewal:
			kicked = true
		case <-ctx.Done():
			return
		}
		if now := s.params().Interval; now != interval {
			interval = now
			tick.Reset(interval)
		}
		select {
		case slots <- struct{}{}:
		default:
			s.stats.missed.Add(1)
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			s.renew(ctx, kicked)
		})
	}
}

func (s *Store) params() lease.Params {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paramsLocked()
}

// paramsLocked is params with s.mu held.
func (s *Store) paramsLocked() lease.Params {
	t := s.sess.session.Timeout
	if t == 0 {
		t = s.asked
	}
	return lease.Params{Timeout: t, Tick: s.opts.TickTime, Interval: lease.Interval(t, s.opts.TickTime)}
}

// renew proves the lease once, or tries again to release one that was given
// up. With adopt set and neither, it looks whether the leader znode is this
// session's. Its requests have no deadline of their
// own: a proof that comes late does no harm, and the wire gives a silent
// server up.
func (s *Store) renew(ctx context.Context, adopt bool) {
	l, sess, err := s.connected()
	if err != nil || s.opts.Name == "" {
		return
	}
	s.mu.Lock()
	own, release := s.sess.own, s.sess.release
	s.mu.Unlock()
	switch {
	case own != nil:
		err = s.prove(ctx, l, sess, own)
	case release != nil:
		err = s.retryRelease(ctx, l, sess)
	case adopt:
		err = s.adopt(ctx, l, sess)
	}
	if err != nil {
		s.stats.missed.Add(1)
		s.log.Debug("renewing the lease", slog.Any("err", err))
	}
}

// prove writes to the own registration on condition that a leader znode
// exists, then reads whose that is. Both together prove the lease from the
// moment before the write: it was committed by a quorum while the session was
// alive, and the same znode was there after it.
func (s *Store) prove(ctx context.Context, l *link, sess Session, own *lease.Proofs) error {
	type result struct {
		failed   int
		answered lease.Instant
		leader   znode
	}
	sent := lease.Now()
	p, err := request(ctx, l, func(c *zk.Conn) (result, error) {
		results, err := c.Multi(opCheckLeader(s.paths),
			opSet(s.paths.registration(s.opts.Name), []byte(s.opts.InstanceID), -1))
		if err != nil {
			return result{failed: firstFailed(results)}, err
		}
		p := result{failed: -1, answered: lease.Now()}
		_, stat, err := c.Exists(s.paths.of(keyLeader))
		p.leader, err = found(nil, stat, err)
		return p, err
	})
	switch {
	case answered(err) && p.failed == 0:
		s.loseLease(own, "the leader znode is gone")
		return nil
	case errors.Is(err, zk.ErrNoNode): // removed behind our back
		return s.register(ctx, l, sess)
	case err != nil:
		return writeError(err)
	case p.leader.stat.EphemeralOwner != sess.ID || cluster.Epoch(p.leader.stat.Czxid) != own.Epoch:
		s.loseLease(own, "the leader znode is not this session's any more")
		return nil
	}
	s.stats.renewals.Add(1)
	s.stats.commit.Store(int64(p.answered.Sub(sent)))
	s.proven(own, sent, p.answered)
	return nil
}

// proven extends the lease, unless it has ended in the meantime. The timeout
// that counts is the one granted now, not when the proof was sent.
func (s *Store) proven(own *lease.Proofs, sent, answered lease.Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sess.own == own && own.Prove(sent, answered, s.paramsLocked()) {
		notify(s.changed)
	}
}

// adopt takes the lease on a leader znode that this session owns without one:
// after a resumption, or when the answer to its creation was lost. It ends a
// lease whose znode is another one.
func (s *Store) adopt(ctx context.Context, l *link, sess Session) error {
	n, err := readNode(ctx, l, s.paths.of(keyLeader))
	if err != nil {
		return readError(err)
	}
	epoch := cluster.Epoch(n.stat.Czxid)
	ours := n.exists && n.stat.EphemeralOwner == sess.ID && bytes.Equal(n.data, []byte(s.opts.Name))
	s.mu.Lock()
	own := s.sess.own
	s.mu.Unlock()
	if own != nil && (!ours || own.Epoch != epoch) {
		s.loseLease(own, "the leader znode is not this session's any more")
		own = nil
	}
	if !ours {
		return nil
	}
	if s.hasReleased(epoch) {
		return s.leaveRestored(ctx, l, sess, epoch)
	}
	if own == nil {
		if own = s.own(sess, epoch); own == nil {
			return nil // abandoned or released
		}
	}
	return s.prove(ctx, l, sess, own)
}

// own starts a leadership of sess without proof yet, or returns the one that
// has been started for that epoch. It returns nil if the session has changed
// or the epoch has been abandoned.
func (s *Store) own(sess Session, epoch cluster.Epoch) *lease.Proofs {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sess.session.ID != sess.ID || s.sess.abandoned == epoch || s.sess.release.covers(epoch) {
		return nil
	}
	if s.sess.own == nil || s.sess.own.Epoch != epoch {
		s.sess.own = &lease.Proofs{Epoch: epoch, Session: sess.ID}
		s.sess.syncAtLeast, s.sess.syncDoubt = 0, false
	}
	return s.sess.own
}

// loseLease ends own, if it is still the present one.
func (s *Store) loseLease(own *lease.Proofs, why string) {
	s.mu.Lock()
	present := s.sess.own == own
	if present {
		s.sess.own = nil
	}
	s.mu.Unlock()
	if present {
		s.log.Warn("lease is over", slog.String("reason", why))
		s.view.touch(keyLeader)
		notify(s.changed)
	}
}

// Abandon gives the lease up locally without touching the znode.
func (s *Store) Abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sess.own != nil {
		s.sess.abandoned = s.sess.own.Epoch
		s.sess.own = nil
	}
}
