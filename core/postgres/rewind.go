package postgres

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// rewindBegun is what pg_rewind says before its first change.
const rewindBegun = "rewinding from last common checkpoint"

// Rewind makes the stopped data directory a copy of up's from where the logs
// parted. A running server is stopped first. After an error the directory is
// as before, or is marked as incomplete if pg_rewind had begun to change it.
func (s *Server) Rewind(ctx context.Context, up cluster.Upstream) error {
	if err := s.rewind(ctx, up); err != nil {
		return fmt.Errorf("rewind to %s: %w", address(up), err)
	}
	return nil
}

func (s *Server) rewind(ctx context.Context, up cluster.Upstream) error {
	if err := s.Stop(ctx, cluster.StopFast, false, nil); err != nil {
		return err
	}
	cfg := s.config()
	d, err := s.controlData(ctx)
	if err != nil {
		return err
	}
	if !d.control().RewindPossible {
		return errors.New("neither wal_log_hints nor data checksums are on")
	}
	// pg_rewind reads restore_command from our file. A single-user server
	// refuses standby mode.
	if _, err := s.writeConf(ctx, role{standby: true, up: &up}); err != nil {
		return err
	}
	if err := removeFiles(cfg.DataDir, "standby.signal", "recovery.signal", "promote"); err != nil {
		return err
	}
	if err := s.recoverForRewind(ctx, d); err != nil {
		return err
	}
	if err := s.rewindable(ctx, up); err != nil {
		return err
	}
	args, err := s.rewindArgs(up)
	if err != nil {
		return err
	}
	if err := s.markIncomplete("rewind"); err != nil {
		return err
	}
	out, err := s.tool(ctx, tool{
		name: "pg_rewind", args: args,
		env: append(passEnv(cfg), "PGOPTIONS=-c statement_timeout=0"),
	})
	s.mu.Lock()
	s.timeline, s.control = 0, controlCache{}
	s.mu.Unlock()
	if err != nil && (strings.Contains(out, rewindBegun) || strings.Contains(err.Error(), rewindBegun)) {
		return err
	}
	if err == nil {
		err = s.rewound(ctx, up)
	}
	return errors.Join(err, s.markComplete())
}

// rewindable says no where pg_rewind would take for common what is not.
func (s *Server) rewindable(ctx context.Context, up cluster.Upstream) error {
	c, err := s.compare(ctx, up)
	if err == nil && c.apart {
		err = fmt.Errorf("%w: %s", cluster.ErrCannotRewind, c.reason)
	}
	return err
}

// rewound verifies what pg_rewind did. It sees nothing to do, and reports
// success, on one timeline, and where the own history only goes on from the
// upstream's (a standby that was promoted by hand): the files of the own
// timeline stay, and the server would follow them again.
func (s *Server) rewound(ctx context.Context, up cluster.Upstream) error {
	c, err := s.compare(ctx, up)
	switch {
	case err != nil:
		return err
	case c.verdict == cluster.DivergenceUnknown:
		return fmt.Errorf("result not verified: %s", c.reason)
	case c.verdict == cluster.DivergenceFound:
		return fmt.Errorf("%w: %s", cluster.ErrCannotRewind, c.reason)
	}
	return nil
}

func (s *Server) rewindArgs(up cluster.Upstream) ([]string, error) {
	cfg := s.config()
	major, err := majorVersion(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	words := clientWords(database(cfg), rewindUser(cfg), up, major)
	if !up.Several() { // else it is there already
		words = append(words, word{"target_session_attrs", "read-write"})
	}
	args := []string{"-D", cfg.DataDir, "--source-server=" + conninfo(words)}
	inside := !outside(cfg)
	if !inside && has(major, rewindConfigFile) {
		args = append(args, "--config-file="+filepath.Join(configDir(cfg), "postgresql.conf"))
	}
	if command, _ := parameter(withStandbyCluster(cfg, &up), "restore_command"); command != "" && (inside || has(major, rewindConfigFile)) {
		args = append(args, "--restore-target-wal")
	}
	return args, nil
}
