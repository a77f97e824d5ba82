package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// ownBackupOptions are options of pg_basebackup that the agent gives.
var ownBackupOptions = []string{
	"pgdata", "format", "wal-method", "xlog-method", "gzip", "version",
	"dbname", "host", "port", "username", "password",
}

// Clone replaces the data directory by a copy of up, made by the first of the
// replica methods that works; without a host in up, by one that needs no
// running server. After a failure the directory is empty, or marked as
// incomplete if the method keeps data.
func (s *Server) Clone(ctx context.Context, up cluster.Upstream) error {
	if s.find() != nil {
		return errors.New("copy data directory: PostgreSQL runs in it")
	}
	s.setPhase(cluster.StateCreatingReplica)
	defer s.setPhase(cluster.StateStopped)
	if err := s.stopStrays(ctx); err != nil {
		return err
	}
	err := s.copyBy(ctx, up)
	if err == nil {
		return nil
	}
	if entries, _ := os.ReadDir(s.config().DataDir); holdsNothing(entries) {
		err = errors.Join(err, s.markComplete())
	}
	if !hasSource(up) {
		return fmt.Errorf("make data directory: %w", err)
	}
	return fmt.Errorf("copy data directory from %s: %w", up.Host, err)
}

// baseBackup runs pg_basebackup itself, for a Server without Site. The source
// makes a fast checkpoint unless the option "checkpoint" is configured.
func (s *Server) baseBackup(ctx context.Context, up cluster.Upstream) error {
	cfg := s.config()
	if err := s.prepareEmpty("copy"); err != nil {
		return err
	}
	if err := s.writePassFor(up); err != nil {
		return err
	}
	options, err := toolOptions(s.backupOptions(cfg.BaseBackup), nil)
	if err != nil {
		return err
	}
	words := clientWords(database(cfg), cfg.Replication, up, newestVersion)
	args := append([]string{"--pgdata=" + cfg.DataDir, "-X", "stream", "--no-password", "--dbname=" + conninfo(words)}, options...)
	_, err = s.tool(ctx, tool{name: "pg_basebackup", args: args, env: passEnv(cfg)})
	return err
}

// backupOptions drops what cannot be configured and adds the checkpoint.
func (s *Server) backupOptions(list []config.Option) []config.Option {
	var out []config.Option
	checkpoint := false
	for _, o := range list {
		local := o.Key == "compress" && !strings.HasPrefix(o.Value, "server")
		if local || slices.Contains(ownBackupOptions, o.Key) {
			s.log.Warn("option of pg_basebackup not used: the agent decides on it", slog.String("option", o.Key))
			continue
		}
		checkpoint = checkpoint || o.Key == "checkpoint"
		out = append(out, o)
	}
	if !checkpoint {
		out = append(out, config.Option{Key: "checkpoint", Value: "fast", HasValue: true})
	}
	return out
}

// removeSessions removes what another agent kept in its data directory about
// its session with the store: a copy must never pass for the original.
func removeSessions(dataDir string) error {
	files, err := filepath.Glob(filepath.Join(dataDir, "*.session"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove session files: %w", err)
	}
	for _, f := range files {
		if err := removeFiles(dataDir, filepath.Base(f)); err != nil {
			return err
		}
	}
	return nil
}

// address names an upstream in texts.
func address(up cluster.Upstream) string {
	where := up.Host + ":" + up.Ports()
	if up.Name != "" {
		return up.Name + " (" + where + ")"
	}
	return where
}
