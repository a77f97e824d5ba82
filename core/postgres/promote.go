package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgregent/pgregent/core/cluster"
)

// promoteRepeat is how often a promote request is repeated while the server
// has not taken it: the startup process may sit in its retry sleep, from
// which one signal does not get it out.
const promoteRepeat = 20 * time.Millisecond

// Promote asks the running standby to promote and returns when it accepts
// writes. On a primary it does nothing.
func (s *Server) Promote(ctx context.Context) error {
	pm := s.find()
	if pm == nil {
		return errors.New("promote PostgreSQL: it does not run")
	}
	dir := s.resolvedDir()
	if head, err := readControlHead(dir); err != nil {
		return fmt.Errorf("promote PostgreSQL: %w", err)
	} else if head.State == dbInProduction {
		return s.confirmPrimary(ctx, pm)
	}
	file := filepath.Join(dir, "promote")
	if err := os.WriteFile(file, nil, fileMode(dir)); err != nil {
		return fmt.Errorf("promote PostgreSQL: %w", err)
	}
	var failed error
	err := pm.waitFor(ctx, promoteRepeat, func() bool {
		head, err := readControlHead(dir)
		if err == nil && head.State == dbInProduction {
			return true
		}
		if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
			return false // taken
		}
		failed = pm.signal(unix.SIGUSR1)
		return failed != nil
	})
	if err = errors.Join(err, failed); err != nil {
		// A request that nobody took must not be found later.
		return fmt.Errorf("promote PostgreSQL: %w", errors.Join(err, removeFiles(dir, "promote")))
	}
	return s.confirmPrimary(ctx, pm)
}

// confirmPrimary waits until SQL says that recovery is over, which follows
// the control file within milliseconds.
func (s *Server) confirmPrimary(ctx context.Context, pm *postmaster) error {
	var last error
	err := pm.waitFor(ctx, 5*time.Millisecond, func() bool {
		recovering, err := s.inRecovery(ctx)
		last = err
		if _, refused := errors.AsType[*sqlError](err); refused {
			return true // the control file must do
		}
		return err == nil && !recovering
	})
	if err != nil {
		return fmt.Errorf("promote PostgreSQL: %w", errors.Join(err, last))
	}
	s.mu.Lock()
	s.standby, s.timeline = false, 0
	if s.phase == cluster.StateStarting {
		s.phase = cluster.StateRunning
	}
	s.mu.Unlock()
	s.setFollowing(false, nil)
	s.notify()
	return nil
}
