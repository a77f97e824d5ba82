package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgregent/pgregent/core/cluster"
)

// killWait bounds the wait for processes that have been sent SIGKILL.
const killWait = 10 * time.Second

// Stop stops the server and every process of it. When ctx ends before, all
// are killed, and the error says so. See core/agent for the contract of
// onShutdown; it is not called after an unclean end.
func (s *Server) Stop(ctx context.Context, mode cluster.StopMode, checkpoint bool, onShutdown func(cluster.LSN)) error {
	pm := s.find()
	if pm == nil {
		return s.stopStrays(ctx)
	}
	s.beforeStop(ctx)
	if checkpoint && mode == cluster.StopFast {
		if err := s.checkpointFirst(ctx); err != nil {
			s.log.Warn("checkpoint before the stop did not work", slog.Any("err", err))
		}
	}
	s.enter(cluster.StateStopping)
	s.closeConnections()
	watchEnd := s.shutdownWatch(ctx, onShutdown)
	sig := unix.SIGINT
	if mode == cluster.StopImmediate {
		sig = unix.SIGQUIT
	}
	err := pm.signal(sig)
	if err == nil {
		err = pm.waitFor(ctx, 0, func() bool { watchEnd(); return false })
	}
	if !errors.Is(err, errExited) {
		s.log.Warn("stop did not end in time; killing", slog.Any("err", err))
		kill := func(ctx context.Context) error { return killAndWait(ctx, s.resolvedDir(), pm) }
		err = fmt.Errorf("stop PostgreSQL: %w", errors.Join(err, eventually(ctx, killWait, kill)))
		return s.stopped(pm, err)
	}
	watchEnd()
	return s.stopped(pm, s.stopStrays(ctx))
}

// checkpointFirst makes the shutdown checkpoint short. It takes at most half
// of the time that there is for the stop.
func (s *Server) checkpointFirst(ctx context.Context) error {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	return s.Checkpoint(ctx)
}

// stopped takes note of the result of a stop.
func (s *Server) stopped(pm *postmaster, err error) error {
	phase := cluster.StateStopped
	if pm.alive() {
		phase = cluster.StateStopFailed
	}
	s.enter(phase)
	if phase == cluster.StateStopped {
		s.postmasterExited(pm)
	}
	return err
}

// stopStrays ends the processes that outlived their postmaster. After an
// orderly shutdown there are none.
func (s *Server) stopStrays(ctx context.Context) error {
	kill := func(ctx context.Context) error { return killAndWait(ctx, s.resolvedDir(), nil) }
	if err := eventually(ctx, killWait, kill); err != nil {
		return fmt.Errorf("stop PostgreSQL: end orphaned processes: %w", err)
	}
	s.mu.Lock()
	if s.phase == cluster.StateCrashed {
		s.phase = cluster.StateStopped
	}
	s.mu.Unlock()
	return nil
}

// shutdownWatch returns a function that looks at the control file and calls
// onShutdown the first time that it says "shut down". The control file is
// written before the WAL senders are told to send the rest and to end, so
// standbys get the record only after that.
func (s *Server) shutdownWatch(ctx context.Context, onShutdown func(cluster.LSN)) func() {
	dir := s.resolvedDir()
	segment, err := s.segmentSize(ctx)
	if err != nil {
		s.log.Warn("end of the shutdown checkpoint will not be known", slog.Any("err", err))
	}
	called := onShutdown == nil || err != nil
	return func() {
		if called {
			return
		}
		head, err := readControlHead(dir)
		if err != nil || head.State != dbShutdowned {
			return
		}
		called = true
		end, err := endOfRecord(dir, head.Timeline, head.Checkpoint, segment)
		if err != nil {
			s.log.Warn("end of the shutdown checkpoint is not known", slog.Any("err", err))
			return
		}
		onShutdown(end)
	}
}

// Checkpoint runs CHECKPOINT.
func (s *Server) Checkpoint(ctx context.Context) error {
	err := s.withLocal(ctx, func(ctx context.Context, c *sql.Conn) error {
		_, err := c.ExecContext(ctx, "CHECKPOINT")
		return err
	})
	if err != nil {
		return fmt.Errorf("run checkpoint: %w", err)
	}
	return nil
}
