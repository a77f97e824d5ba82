package zkdcs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/zkdcs/zkwire"
)

// Session is what a restarted agent needs to go on with its session.
type Session = zkwire.Session

// Access is how the servers are reached, and as whom.
type Access struct {
	// Hosts are host:port; the port is 2181 by default.
	Hosts []string
	// TLS is the client's side of TLS with a server, by its name or address
	// in Hosts; nil: connections are not encrypted.
	TLS func(host string) *tls.Config
	// AuthData maps a scheme to its credential.
	AuthData map[string]string
}

// Options of a Store.
type Options struct {
	Access
	// Chroot is a path that everything lies below, "" for none.
	Chroot    string
	Namespace string
	Scope     string
	// Name is the member's name. A Store without a name owns no ephemerals:
	// it reads, and writes what needs no ownership.
	Name string
	// SessionTimeout is asked for; the server may grant another.
	SessionTimeout time.Duration
	// RetryTimeout bounds calls whose context has no deadline.
	RetryTimeout time.Duration
	// TickTime is the ensemble's tickTime.
	TickTime time.Duration
	// ACL is put on every znode at and below the cluster's path; none: they are
	// open to all, as those above always are.
	ACL []config.ACL
	// InstanceID distinguishes agents of one name.
	InstanceID string
	// Resume is the session of a former run, nil if there is none.
	Resume *Session
	// SaveSession is called with each new session before it owns anything,
	// and with the zero value when it has ended. It may be nil.
	SaveSession func(Session)
	Logger      *slog.Logger
}

// Store is the shared state of one cluster. New makes it, Run serves it.
type Store struct {
	opts    Options
	paths   paths
	acl     acl
	refused func(address string, err error)
	log     *slog.Logger
	view    *view
	changed chan struct{}
	renewal chan struct{} // a value: renew and look at the owner now
	stats   counters
	// releasing holds a value while a release is being settled.
	releasing chan struct{}
	// first is closed when the session has been set up for the first time.
	first     chan struct{}
	firstOnce sync.Once

	mu    sync.Mutex
	asked time.Duration // session timeout for the next new session
	retry time.Duration
	sess  sessionState
	// former is the session whose ephemerals under this name may be replaced;
	// 0: none.
	former int64
	// announcing means that some member learns of changed member keys only
	// when the list of members changes.
	announcing bool
}

// sessionState is what is known of the lease connection and its session. It
// is guarded by Store.mu.
type sessionState struct {
	link    *link
	session Session // zero: none now
	dropped int64   // the session that was dropped last
	// ready means that link may be used by calls; isReady is closed then.
	ready      bool
	isReady    chan struct{}
	running    bool
	closing    bool
	registered bool   // the own registration is there
	member     []byte // last written; nil: not by this session
	seen       bool   // a view has shown the own member key
	own        *lease.Proofs
	abandoned  cluster.Epoch // given up, though the znode may still be ours
	// released is the last epoch whose znode this session has deleted.
	released cluster.Epoch
	// release is to be retried; nil: none.
	release *pendingRelease
	// syncAtLeast is the version of the sync key that this leadership has
	// written; syncDoubt means that a write of it got no answer.
	syncAtLeast int32
	syncDoubt   bool
	reign       reign // of own, if the epochs agree
}

// New checks the options and returns a Store that does nothing until Run.
func New(o Options) (*Store, error) {
	switch {
	case len(o.Hosts) == 0:
		return nil, errors.New("no ZooKeeper hosts")
	case o.Scope == "":
		return nil, errors.New("no scope")
	case o.SessionTimeout < time.Millisecond:
		return nil, fmt.Errorf("session timeout %v is too short", o.SessionTimeout)
	}
	if o.RetryTimeout <= 0 {
		o.RetryTimeout = 10 * time.Second
	}
	if o.TickTime <= 0 {
		o.TickTime = 2 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		opts: o, paths: newPaths(o), acl: newACL(newPaths(o), o.ACL), refused: refusedBy(o.Logger), log: o.Logger,
		changed: make(chan struct{}, 1), renewal: make(chan struct{}, 1),
		releasing: make(chan struct{}, 1),
		asked:     o.SessionTimeout, retry: o.RetryTimeout,
	}
	s.first, s.sess.isReady = make(chan struct{}), make(chan struct{})
	s.view = newView(s.paths, o.Name, func() { notify(s.changed) })
	return s, nil
}

// Run serves the store until ctx ends. It leaves the ZooKeeper session open,
// so that a restarted agent can resume it; use Close to end it.
func (s *Store) Run(ctx context.Context) error {
	if !s.begin() {
		return errors.New("store runs already")
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.runSession(ctx) })
	wg.Go(func() { s.runRenewals(ctx) })
	wg.Go(func() { s.runWatch(ctx) })
	wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sess.running = false
	return nil
}

func (s *Store) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sess.running {
		return false
	}
	s.sess.running = true
	return true
}

// SetTimeouts takes a changed ttl over. The retry timeout counts at once; the
// session timeout only for the next new session, because the ensemble goes
// back to the timeout that the session was created with whenever it elects a
// leader.
func (s *Store) SetTimeouts(session, retry time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if session > 0 {
		s.asked = session
	}
	if retry > 0 {
		s.retry = retry
	}
}

// Changed receives a value after a watch fired, a session came or went, or
// the lease was renewed after a gap or ended. Values are coalesced; changed
// member keys cause one in a second at most, the own one none.
func (s *Store) Changed() <-chan struct{} { return s.changed }

// Lease is the lease on the leader znode of this session; the zero value if
// this session does not own it.
func (s *Store) Lease() lease.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sess.own == nil {
		return lease.Lease{}
	}
	return s.sess.own.Lease
}

// SessionID is the session that owns the ephemerals, 0 if there is none now.
func (s *Store) SessionID() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sess.session.ID
}

// Granted is the session timeout that the server granted, 0 without a
// session.
func (s *Store) Granted() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sess.session.Timeout
}

// Stats are for logs and metrics.
type Stats struct {
	Granted  time.Duration
	Reads    int64 // keys read on the watch connection
	Renewals int64 // proofs of the lease that were answered
	Missed   int64 // renewals that were due and got no answer that proves
	// Commit is how long the last renewal took to be answered.
	Commit time.Duration
	Wire   zkwire.Stats // of the present lease connection
}

type counters struct {
	renewals, missed, commit atomic.Int64
}

// Stats returns the present counts.
func (s *Store) Stats() Stats {
	st := Stats{
		Granted: s.Granted(), Reads: s.view.reads.Load(), Renewals: s.stats.renewals.Load(), Missed: s.stats.missed.Load(),
		Commit: time.Duration(s.stats.commit.Load()),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sess.link != nil {
		st.Wire = s.sess.link.gate.Stats()
	}
	return st
}

// bound gives ctx the default deadline if it has none.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	s.mu.Lock()
	retry := s.retry
	s.mu.Unlock()
	return context.WithTimeoutCause(ctx, retry, errors.New("retry_timeout is over"))
}

// connected is the lease connection and its session, or ErrUnreachable.
func (s *Store) connected() (*link, Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sess.ready || !s.sess.link.attached.Load() {
		return nil, Session{}, fmt.Errorf("%w: %w", cluster.ErrUnreachable, errNotSent)
	}
	return s.sess.link, s.sess.session, nil
}

// awaitConnected is connected, but waits for it until ctx ends.
func (s *Store) awaitConnected(ctx context.Context) (*link, Session, error) {
	for {
		s.mu.Lock()
		ready := s.sess.isReady
		s.mu.Unlock()
		if l, sess, err := s.connected(); err == nil {
			return l, sess, nil
		}
		select {
		case <-ready:
			// Set up, yet perhaps just disconnected again: do not spin.
			if l, sess, err := s.connected(); err == nil {
				return l, sess, nil
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
				return nil, Session{}, fmt.Errorf("%w: %w", cluster.ErrUnreachable, context.Cause(ctx))
			}
		case <-ctx.Done():
			return nil, Session{}, fmt.Errorf("%w: %w", cluster.ErrUnreachable, context.Cause(ctx))
		}
	}
}
