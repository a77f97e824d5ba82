package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

const syncNamesParameter = "synchronous_standby_names"

// errNamesPending means that some process of the server still goes by the
// former names.
var errNamesPending = errors.New("the server has not taken the names over yet")

// SetSyncNames sets synchronous_standby_names on the running server and keeps
// it over restarts; nil restores what the configuration says. It returns once
// the WAL senders go by it. On a primary the result is a position up to which
// commits may have been acknowledged under the former value.
func (s *Server) SetSyncNames(ctx context.Context, names *cluster.SyncNames) (cluster.LSN, error) {
	pm := s.find()
	if pm == nil {
		return 0, errors.New("set synchronous standbys: PostgreSQL does not run")
	}
	s.mu.Lock()
	s.syncNames, s.syncKnown = names, true
	s.mu.Unlock()
	before, err := s.checkpointer(ctx)
	if err != nil {
		return 0, fmt.Errorf("set synchronous standbys: %w", err)
	}
	if _, err := s.writeConfFor(ctx, func() role { return s.currentRole(ctx) }); err != nil {
		return 0, fmt.Errorf("set synchronous standbys: %w", err)
	}
	if err := s.reload(ctx, pm); err != nil { // also of the same names: what took them over is watched
		return 0, fmt.Errorf("set synchronous standbys: %w", err)
	}
	if names == nil {
		return 0, nil
	}
	at, err := s.namesInForce(ctx, pm, *names, before)
	if err != nil {
		return 0, fmt.Errorf("set synchronous standbys: %w", err)
	}
	return at, nil
}

// checkpointer is the process that tells the backends whether commits wait
// for standbys at all. It may be late with it while it works on a checkpoint.
type checkpointer struct {
	pid int
	// sleeps counts how often it went to sleep; idle means that it waits
	// where it reads its configuration before it sleeps.
	sleeps     int
	idle       bool
	recovering bool // of the server
}

// took reports that the process has read its configuration since then: it
// slept again, in its main loop.
func (c checkpointer) took(before checkpointer) bool {
	return c.pid != before.pid || c.idle && c.sleeps > before.sleeps
}

func (s *Server) checkpointer(ctx context.Context) (checkpointer, error) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	var c checkpointer
	db, err := s.pool()
	if err != nil {
		return c, err
	}
	err = db.QueryRowContext(ctx, `
SELECT pid, coalesce(wait_event, '') IN ('CheckpointerMain', 'CheckpointWriteDelay'), pg_catalog.pg_is_in_recovery()
FROM pg_catalog.pg_stat_activity WHERE backend_type = 'checkpointer'`).Scan(&c.pid, &c.idle, &c.recovering)
	if err != nil {
		return c, fmt.Errorf("ask for the checkpointer: %w", translate(err))
	}
	c.sleeps, err = voluntarySwitches(c.pid)
	return c, err
}

// namesInForce waits until every WAL sender goes by the names: one that does
// not could go on acknowledging commits for a standby that left the list; and
// until the checkpointer has read them: before, commits may not wait at all.
func (s *Server) namesInForce(ctx context.Context, pm *postmaster, names cluster.SyncNames, before checkpointer) (cluster.LSN, error) {
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	var at cluster.LSN
	last := errNamesPending
	err := pm.waitFor(ctx, 10*time.Millisecond, func() bool {
		now, err := s.checkpointer(ctx)
		if err == nil && !now.took(before) && !(now.recovering && len(names.Names) == 0) { // that commits stop waiting may come late
			err = errNamesPending
		}
		if err == nil {
			at, err = s.askNames(ctx, names)
		}
		if err != nil {
			last = err
		}
		return err == nil
	})
	if err != nil {
		return 0, errors.Join(err, last)
	}
	return at, nil
}

// askNames returns the end of the log if all processes go by the names, and
// moves the log on, so that a standby can reach that position.
func (s *Server) askNames(ctx context.Context, names cluster.SyncNames) (cluster.LSN, error) {
	var at cluster.LSN
	err := s.withLocal(ctx, func(ctx context.Context, c *sql.Conn) error {
		var recovering, pending bool
		var value string
		var end int64
		err := c.QueryRowContext(ctx, `
SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('synchronous_standby_names'),
  NOT pg_catalog.pg_is_in_recovery() AND EXISTS (SELECT FROM pg_catalog.pg_stat_replication WHERE state = 'streaming'
    AND (sync_priority > 0) <> (pg_catalog.lower(application_name) = ANY (pg_catalog.string_to_array($1, pg_catalog.chr(1)))))`,
			strings.ToLower(strings.Join(names.Names, "\x01"))).Scan(&recovering, &value, &pending)
		if err != nil {
			return fmt.Errorf("ask for WAL senders: %w", translate(err))
		}
		if value != names.String() || pending {
			return errNamesPending
		}
		if recovering {
			return nil
		}
		err = c.QueryRowContext(ctx, `SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::bigint`).Scan(&end)
		if err != nil {
			return fmt.Errorf("ask for the end of the log: %w", translate(err))
		}
		at = cluster.LSN(end)
		return moveOn(ctx, c)
	})
	return at, err
}

// moveOn writes and flushes a record. It must not wait for standbys itself.
func moveOn(ctx context.Context, c *sql.Conn) error {
	if err := execSQL(ctx, c, "SET synchronous_commit = local"); err != nil {
		return fmt.Errorf("write a record: %w", translate(err))
	}
	if err := execSQL(ctx, c, "SELECT pg_catalog.pg_logical_emit_message(true, 'pgregent', '')"); err != nil {
		return fmt.Errorf("write a record: %w", translate(err))
	}
	return nil
}

// withSyncNames puts the agent's names in the place of the configured ones.
func (s *Server) withSyncNames(params []config.Parameter, cfg config.Postgres) []config.Parameter {
	names := s.managedNames(cfg)
	if names == nil {
		return params
	}
	out := make([]config.Parameter, 0, len(params)+1)
	for _, p := range params {
		if !strings.EqualFold(p.Name, syncNamesParameter) {
			out = append(out, p)
		}
	}
	return append(out, config.Parameter{Name: syncNamesParameter, Value: names.String()})
}

// managedNames are the agent's names; nil if the configured value applies. A
// new agent goes on with what the former one has written, Patroni's included.
func (s *Server) managedNames(cfg config.Postgres) *cluster.SyncNames {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.syncKnown {
		s.syncNames, s.syncKnown = s.writtenNames(cfg), true
	}
	return s.syncNames
}

// writtenNames reads the names from the postgresql.conf of an earlier agent;
// nil if they are what the configuration says.
func (s *Server) writtenNames(cfg config.Postgres) *cluster.SyncNames {
	text, err := os.ReadFile(filepath.Join(configDir(cfg), "postgresql.conf"))
	if err != nil || !generated(string(text)) {
		return nil
	}
	value := ""
	for line := range strings.SplitSeq(string(text), "\n") {
		if lineName(line) == syncNamesParameter {
			_, v, _ := strings.Cut(line, "=")
			v = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(v), "'"), "'")
			value = strings.NewReplacer("''", "'", `\\`, `\`).Replace(v)
		}
	}
	own, _ := parameter(cfg.Parameters, syncNamesParameter)
	names, err := cluster.ParseSyncNames(value)
	if value == own || err != nil {
		return nil
	}
	s.log.Info("keeping the synchronous standbys of the former agent", slog.String("names", value))
	return &names
}

// generated reports that an agent has written the file.
func generated(text string) bool {
	return strings.HasPrefix(text, doNotEdit) || strings.Contains(text, "include '"+baseName+"'")
}
