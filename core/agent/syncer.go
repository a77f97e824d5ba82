package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

// syncLimit bounds one step of synchronous replication.
const syncLimit = 5 * time.Second

// syncer carries out the leader's steps of synchronous replication, one at a
// time, beside the loop: what the next one is, is decided from a view taken
// after the last one.
type syncer struct {
	a    *Agent
	work chan syncWork

	mu  sync.Mutex
	mem decide.SyncMemory

	// Owned by run:
	epoch  cluster.Epoch
	pid    int
	doneAt lease.Instant
	failed string // the last error
}

type syncWork struct {
	view *decide.View
	// at is when the loop began to look.
	at lease.Instant
}

func newSyncer(a *Agent) *syncer { return &syncer{a: a, work: make(chan syncWork, 1)} }

// memory is what the views tell the decision core.
func (s *syncer) memory() decide.SyncMemory {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mem
}

func (s *syncer) remember(change func(*decide.SyncMemory)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.mem)
}

// kick hands over the newest view; one that still waits is replaced.
func (s *syncer) kick(v *decide.View, at lease.Instant) {
	hand(s.work, syncWork{v, at})
}

func (s *syncer) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case w := <-s.work:
			if w.at >= s.doneAt && w.view.StoreErr == "" && w.view.Instance.Ready {
				s.step(ctx, w)
			}
		}
	}
}

func (s *syncer) step(ctx context.Context, w syncWork) {
	v := *w.view // others look at it, too
	if v.Lease.Epoch != s.epoch || v.Instance.Pid != s.pid {
		s.epoch, s.pid = v.Lease.Epoch, v.Instance.Pid
		s.remember(func(m *decide.SyncMemory) { *m = decide.SyncMemory{Since: v.Now} })
	}
	v.Sync = s.memory()
	next := decide.NextSync(&v)
	if next.Verb != decide.SyncNames && next.Verb != decide.SyncState {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, syncLimit)
	defer cancel()
	err := s.do(ctx, next)
	s.doneAt = s.a.now()
	s.note(next, err)
	if err == nil {
		s.a.Wake()
	}
}

func (s *syncer) do(ctx context.Context, next decide.SyncStep) error {
	if next.Verb == decide.SyncState {
		_, err := s.a.o.Store.SetSync(ctx, next.State, next.State.Version)
		return err
	}
	// The view may be older than the key: what it allows would not be safe.
	if next.Names != nil {
		if err := s.a.o.Store.CheckSync(ctx, next.State.Version); err != nil {
			return err
		}
	}
	// Until the names are known to be in force, nobody has confirmed under them.
	s.remember(func(m *decide.SyncMemory) { m.Baseline = 0 })
	at, err := s.a.o.Postgres.SetSyncNames(ctx, next.Names)
	s.remember(func(m *decide.SyncMemory) { m.Baseline = at })
	return err
}

// note logs a step, and an error when it is another than the last one.
func (s *syncer) note(next decide.SyncStep, err error) {
	attrs := []any{slog.String("reason", next.Reason)}
	switch {
	case next.Verb == decide.SyncState:
		attrs = append(attrs, slog.String("sync", string(next.State.Encode())))
	case next.Names == nil:
		attrs = append(attrs, slog.String("names", "as configured"))
	default:
		attrs = append(attrs, slog.String("names", next.Names.String()))
	}
	text := ""
	switch {
	case err == nil && next.Verb == decide.SyncNames && next.Names != nil && len(next.Names.Names) == 0:
		s.a.log.Warn("synchronous replication: commits are not confirmed by any standby", attrs...)
	case err == nil:
		s.a.log.Info("synchronous replication", attrs...)
	default:
		text = err.Error()
		if text != s.failed && !errors.Is(err, cluster.ErrNotLeader) && !errors.Is(err, context.Canceled) {
			s.a.log.Warn("synchronous replication", append(attrs, slog.Any("err", err))...)
		}
	}
	s.failed = text
}

// prepareAgain is the pause after a preparation that failed: the view that it
// rested on is being read anew.
const prepareAgain = 50 * time.Millisecond

// errNames wraps why the names cannot be set: another node may be better off.
var errNames = errors.New("set the standbys that will have to confirm")

// prepareSync makes a standby fit to be promoted: the names that will have to
// confirm its commits, then the sync key. It returns the key to go back to if
// the promotion fails, nil if it was not changed.
func (a *Agent) prepareSync(ctx context.Context, v *decide.View) (former *cluster.SyncState, err error) {
	former, err = a.tryPrepareSync(ctx, v)
	if err == nil {
		return former, nil
	}
	pause := time.NewTimer(prepareAgain)
	defer pause.Stop()
	select {
	case <-ctx.Done():
	case <-pause.C:
	}
	return nil, fmt.Errorf("prepare synchronous replication: %w", err)
}

func (a *Agent) tryPrepareSync(ctx context.Context, v *decide.View) (*cluster.SyncState, error) {
	ctx, cancel := context.WithTimeout(ctx, syncLimit)
	defer cancel()
	start := decide.StartSync(v)
	if start.Names != nil || v.Instance.SyncManaged {
		if _, err := a.o.Postgres.SetSyncNames(ctx, start.Names); err != nil {
			return nil, fmt.Errorf("%w: %w", errNames, err)
		}
	}
	if start.State == nil {
		return nil, nil
	}
	version, err := a.o.Store.SetSync(ctx, *start.State, start.State.Version)
	if err != nil {
		return nil, err
	}
	return decide.FormerSync(v, version), nil
}

// restoreSync lists those again who were listed before a promotion that
// failed: nothing was confirmed since, and one of them may do better.
func (a *Agent) restoreSync(ctx context.Context, former *cluster.SyncState) {
	if former == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), syncLimit)
	defer cancel()
	if in := a.o.Postgres.Observe(ctx); !in.Ready || !in.Standby {
		return // it may have been promoted all the same
	}
	if _, err := a.o.Store.SetSync(ctx, *former, former.Version); err != nil {
		a.log.Warn("restore the sync key", slog.Any("err", err))
	}
}
