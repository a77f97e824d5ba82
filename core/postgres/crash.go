package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// recoverForRewind brings the stopped data directory, whose signal files are
// gone, into the state that pg_rewind needs: shut down in order. pg_rewind
// could do that itself, but not with a configuration directory of its own in
// all versions, and the segments that wait for the archive must be there
// before it removes them.
func (s *Server) recoverForRewind(ctx context.Context, d controlData) error {
	if err := s.archiveReady(ctx); err != nil {
		s.log.Warn("segments that a rewind may remove are not archived", slog.Any("err", err))
	}
	switch d.control().State {
	case "shut down", "shut down in recovery":
		return nil
	}
	_, err := os.Lstat(filepath.Join(s.config().DataDir, "backup_label"))
	if err == nil {
		return nil // a copy that was never started: pg_rewind decides
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for backup_label: %w", err)
	}
	return s.crashRecovery(ctx)
}

// crashRecovery runs a server without sessions that replays its own log and
// ends. Archiving is on and fails, so that no segment is taken for archived
// and removed.
func (s *Server) crashRecovery(ctx context.Context) error {
	args, err := s.arguments(ctx, false)
	if err != nil {
		return err
	}
	args = append([]string{"--single"}, args...)
	args = append(args, "--archive_mode=on", "--archive_command=false", "template1")
	s.log.Info("crash recovery in single-user mode")
	if _, err := s.tool(ctx, tool{name: "postgres", args: args}); err != nil {
		return fmt.Errorf("recover from the crash: %w", err)
	}
	s.mu.Lock()
	s.timeline, s.control = 0, controlCache{}
	s.mu.Unlock()
	return nil
}
