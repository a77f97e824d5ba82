package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// archiveLimit bounds one run of archive_command.
const archiveLimit = time.Minute

// Archive hands what is not archived yet of the log of the stopped server to
// archive_command, the segment with the shutdown checkpoint too. Without
// archiving it does nothing.
func (s *Server) Archive(ctx context.Context) error {
	if s.archiveCommand() == "" {
		return nil
	}
	if err := s.archiveReady(ctx); err != nil {
		return err
	}
	d, err := s.controlData(ctx)
	if err != nil {
		return fmt.Errorf("archive the end of the log: %w", err)
	}
	segment, err := s.segmentSize(ctx)
	if err != nil {
		return fmt.Errorf("archive the end of the log: %w", err)
	}
	c := d.control()
	name := segmentName(c.Timeline, c.CheckpointLSN, segment)
	if _, err := os.Lstat(filepath.Join(s.archiveStatus(), name+".done")); err == nil {
		return nil
	}
	return s.archive(ctx, name)
}

// archiveReady archives the segments that wait for it, oldest first: a rewind
// removes them, and the archive would have a gap.
func (s *Server) archiveReady(ctx context.Context) error {
	if s.archiveCommand() == "" {
		return nil
	}
	ready, err := filepath.Glob(filepath.Join(s.archiveStatus(), "*.ready"))
	if err != nil {
		return fmt.Errorf("list segments to be archived: %w", err)
	}
	slices.Sort(ready)
	for _, file := range ready {
		name := strings.TrimSuffix(filepath.Base(file), ".ready")
		if err := s.archive(ctx, name); err != nil {
			return err
		}
		if err := os.Rename(file, strings.TrimSuffix(file, ".ready")+".done"); err != nil {
			return fmt.Errorf("note that %s is archived: %w", name, err)
		}
	}
	return nil
}

// archive runs archive_command for one file of pg_wal, as the server would.
func (s *Server) archive(ctx context.Context, name string) error {
	path := filepath.Join(s.config().DataDir, "pg_wal", name)
	command := strings.NewReplacer("%%", "%", "%p", path, "%f", name).Replace(s.archiveCommand())
	ctx, cancel := context.WithTimeoutCause(ctx, archiveLimit, fmt.Errorf("archive_command takes longer than %v", archiveLimit))
	defer cancel()
	if _, err := s.tool(ctx, tool{path: "/bin/sh", args: []string{"-c", command}, localized: true}); err != nil {
		return fmt.Errorf("archive %s: %w", name, err)
	}
	s.log.Info("archived", slog.String("segment", name))
	return nil
}

func (s *Server) archiveStatus() string {
	return filepath.Join(s.config().DataDir, "pg_wal", "archive_status")
}

// archiveCommand is the configured command, "" if archiving is off.
func (s *Server) archiveCommand() string {
	cfg := s.config()
	switch mode, _ := parameter(cfg.Parameters, "archive_mode"); strings.ToLower(mode) {
	case "on", "always", "true", "yes", "1":
		command, _ := parameter(cfg.Parameters, "archive_command")
		return command
	}
	return ""
}
