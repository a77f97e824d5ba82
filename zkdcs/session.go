package zkdcs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

const (
	// setUpLimit bounds the requests that follow a handshake.
	setUpLimit = 5 * time.Second
	// setUpRetry is the pause after they failed.
	setUpRetry = 500 * time.Millisecond
	// reopenPause keeps links that end at once from spinning.
	reopenPause = 100 * time.Millisecond
	// shutdownLimit bounds clean-up after the context of Run has ended.
	shutdownLimit = time.Second
)

// runSession keeps the lease connection: link after link, each resuming the
// session of the one before unless the server said that it has expired.
func (s *Store) runSession(ctx context.Context) {
	resume := s.opts.Resume
	for ctx.Err() == nil {
		l, err := s.openLease(resume)
		if err != nil {
			s.log.Error("cannot use the list of ZooKeeper hosts", slog.Any("err", err))
			return
		}
		s.serve(ctx, l)
		if l.dropped.Load() && l.attached.Load() {
			s.closeDropped(ctx, l)
		}
		l.retire("replaced")
		s.detached(l)
		if l.dropped.Load() {
			resume = nil
		} else if l.expired.Load() {
			resume = nil
			s.sessionLost()
		} else if sess, ok := l.gate.Session(); ok {
			resume = &sess
		}
		if s.isClosing() {
			return
		}
		pause(ctx, reopenPause)
	}
}

func (s *Store) openLease(resume *Session) (*link, error) {
	s.mu.Lock()
	asked := s.asked
	if resume != nil && resume.ID == s.sess.dropped {
		resume = nil
	}
	s.mu.Unlock()
	l, err := openLink(linkOptions{access: s.opts.Access, acl: s.acl, refused: s.refused, timeout: asked, resume: resume, log: s.log})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sess.link = l
	if resume != nil && resume.ID == s.sess.dropped { // since
		l.dropped.Store(true)
	}
	return l, nil
}

func (s *Store) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sess.closing
}

// serve follows the state of l until it is over, or until it has been
// disconnected for a session timeout: then a fresh client tries, because this
// one insists on a server that has seen all it has.
func (s *Store) serve(ctx context.Context, l *link) {
	var doneFor int64 // the attach that was set up last
	stale := time.NewTimer(s.staleAfter())
	defer stale.Stop()
	retry := time.NewTicker(setUpRetry)
	defer retry.Stop()
	for {
		attach := l.attaches.Load()
		switch {
		case l.dropped.Load():
			return
		case !l.attached.Load():
			if s.detached(l) {
				stale.Reset(s.staleAfter())
			}
		case attach != doneFor:
			stale.Stop()
			if err := s.setUp(ctx, l, attach == 1); err != nil {
				s.log.Warn("setting up the ZooKeeper session", slog.Any("err", err))
			} else {
				doneFor = attach
			}
			stale.Reset(s.staleAfter())
		}
		select {
		case <-l.signal:
		case <-retry.C:
		case <-stale.C:
			if !l.attached.Load() {
				return
			}
		case <-l.over:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (s *Store) staleAfter() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.asked, s.sess.session.Timeout)
}

// setUp makes the session usable after a handshake: credentials, parents,
// registration, and the leader znode if it is ours.
func (s *Store) setUp(ctx context.Context, l *link, first bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, setUpLimit, errors.New("set-up takes too long"))
	defer cancel()
	sess, ok := l.gate.Session()
	if !ok || !s.takeSession(l, sess) { // first of all: a shorter timeout counts at once
		return errNotSent
	}
	if first {
		if err := l.authenticate(ctx, s.opts.AuthData); err != nil {
			return err
		}
	}
	s.mu.Lock()
	if s.sess.own != nil {
		s.sess.own.Reattached(lease.Instant(l.begun.Load()))
	}
	s.mu.Unlock()
	if s.opts.Name != "" {
		if err := s.setUpOwner(ctx, l, sess); err != nil {
			return err
		}
	}
	s.mu.Lock()
	if !s.sess.ready && !l.dropped.Load() {
		s.sess.ready = true
		close(s.sess.isReady)
	}
	retry := s.sess.release != nil
	s.mu.Unlock()
	s.firstOnce.Do(func() { close(s.first) })
	notify(s.changed)
	if retry {
		notify(s.renewal)
	}
	return nil
}

func (s *Store) setUpOwner(ctx context.Context, l *link, sess Session) error {
	for _, path := range []string{s.paths.member(s.opts.Name), s.paths.registration(s.opts.Name)} {
		if err := ensureParents(ctx, l, path); err != nil {
			return fmt.Errorf("create parents of %s: %w", path, writeError(err))
		}
	}
	if err := s.register(ctx, l, sess); errors.Is(err, cluster.ErrNameInUse) {
		s.log.Warn("another agent has registered this name", slog.String("member", s.opts.Name))
		return nil
	} else if err != nil {
		return err
	}
	return s.adopt(ctx, l, sess)
}

// takeSession notes the session of the last handshake. It reports false for
// one that was dropped meanwhile.
func (s *Store) takeSession(l *link, sess Session) bool {
	s.mu.Lock()
	if l.dropped.Load() {
		s.mu.Unlock()
		return false
	}
	old, asked := s.sess.session, s.asked
	s.sess.session = sess
	if old.ID != sess.ID {
		s.sess.registered, s.sess.member, s.sess.seen = false, nil, false
	}
	if s.sess.own != nil {
		s.sess.own.Granted(sess.Timeout)
	}
	s.mu.Unlock()
	if old == sess {
		return true
	}
	if s.opts.SaveSession != nil {
		s.opts.SaveSession(sess)
	}
	s.log.Info("ZooKeeper session", slog.String("session", hex(sess.ID)), slog.Duration("granted", sess.Timeout),
		slog.Bool("resumed", s.opts.Resume != nil && s.opts.Resume.ID == sess.ID))
	if old.Timeout != sess.Timeout && sess.Timeout != asked {
		s.log.Warn("ZooKeeper granted another session timeout than asked for",
			slog.Duration("asked", asked), slog.Duration("granted", sess.Timeout))
	}
	return true
}

// detached notes that l cannot be used at the moment. It reports whether
// that is news.
func (s *Store) detached(l *link) bool {
	s.mu.Lock()
	news := s.sess.link == l && s.sess.ready
	if news {
		s.sess.ready = false
		s.sess.isReady = make(chan struct{})
	}
	s.mu.Unlock()
	if news {
		s.log.Info("ZooKeeper session is disconnected")
		notify(s.changed)
	}
	return news
}

// sessionLost ends everything that the expired session owned.
func (s *Store) sessionLost() {
	s.mu.Lock()
	lost, owned := s.sess.session, s.sess.own != nil
	s.sess.session = Session{}
	s.forgetOwned()
	s.mu.Unlock()
	if s.opts.SaveSession != nil {
		s.opts.SaveSession(Session{})
	}
	s.log.Warn("ZooKeeper session has expired", slog.String("session", hex(lost.ID)), slog.Bool("leader", owned))
	notify(s.changed)
}

// DropSession ends that session, if it is the present one, and begins another.
// Its lease is over from the moment of the call, and it is never resumed; its
// ephemerals vanish as soon as ZooKeeper answers, at the latest with its
// timeout.
func (s *Store) DropSession(session int64) {
	s.mu.Lock()
	l := s.sess.link
	if session == 0 || s.sess.session.ID != session || l == nil {
		s.mu.Unlock()
		return
	}
	l.dropped.Store(true)
	s.sess.dropped, s.sess.session = session, Session{}
	if s.sess.ready { // no call may own anything by its link any more
		s.sess.ready, s.sess.isReady = false, make(chan struct{})
	}
	s.forgetOwned()
	s.mu.Unlock()
	if s.opts.SaveSession != nil {
		s.opts.SaveSession(Session{})
	}
	notify(l.signal)
	notify(s.changed)
}

// closeDropped tells ZooKeeper that the session of l is over.
func (s *Store) closeDropped(ctx context.Context, l *link) {
	ctx, cancel := context.WithTimeoutCause(ctx, setUpLimit, errors.New("no answer"))
	defer cancel()
	if err := l.closeSession(ctx); err != nil {
		s.log.Warn("the ZooKeeper session ends by its timeout", slog.Any("err", err))
	}
}

// forgetOwned forgets what a session that has ended owned. s.mu is held.
func (s *Store) forgetOwned() {
	s.sess.registered, s.sess.member, s.sess.seen = false, nil, false
	s.sess.own, s.sess.release = nil, nil
}

// register creates the own registration, the ephemeral that renewals write
// to. It returns ErrNameInUse if it belongs to another session.
func (s *Store) register(ctx context.Context, l *link, sess Session) error {
	path, id := s.paths.registration(s.opts.Name), []byte(s.opts.InstanceID)
	err := createNode(ctx, l, path, id, zk.FlagEphemeral)
	if errors.Is(err, zk.ErrNodeExists) {
		err = s.reclaim(ctx, l, sess, path, id)
	}
	if err != nil {
		return fmt.Errorf("register: %w", callerError(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sess.registered = s.sess.session.ID == sess.ID
	return nil
}

// reclaim takes over the registration that this session made in a former
// life.
func (s *Store) reclaim(ctx context.Context, l *link, sess Session, path string, id []byte) error {
	n, err := readNode(ctx, l, path)
	switch {
	case err != nil:
		return err
	case n.exists && n.stat.EphemeralOwner != sess.ID:
		return cluster.ErrNameInUse
	case string(n.data) == string(id):
		return nil
	}
	_, _, err = write(ctx, l, opSet(path, id, -1))
	return err
}

// Close ends the ZooKeeper session, so that leader and member znode vanish at
// once. It works during Run and after it; the Store is of no use afterwards.
func (s *Store) Close(ctx context.Context) error {
	s.Abandon()
	s.mu.Lock()
	s.sess.closing = true
	l, sess, running := s.sess.link, s.sess.session, s.sess.running
	s.mu.Unlock()
	if sess.ID == 0 {
		return nil
	}
	if !running || l == nil || !l.attached.Load() {
		if l != nil {
			l.end("closing")
		}
		return s.closeAgain(ctx, sess)
	}
	err := l.closeSession(ctx)
	s.closed()
	return err
}

// closeAgain attaches to the session once more to close it.
func (s *Store) closeAgain(ctx context.Context, sess Session) error {
	if err := CloseSession(ctx, s.opts.Access, sess, s.log); err != nil {
		return err
	}
	s.closed()
	return nil
}

func (s *Store) closed() {
	s.mu.Lock()
	s.sess.session = Session{}
	s.forgetOwned()
	s.mu.Unlock()
	if s.opts.SaveSession != nil {
		s.opts.SaveSession(Session{})
	}
	notify(s.changed)
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func hex(id int64) string { return fmt.Sprintf("%#x", uint64(id)) }
