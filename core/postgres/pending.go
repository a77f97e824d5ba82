package postgres

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// setting is one row of pg_settings.
type setting struct {
	name, value, unit, kind, shown string
	pending                        bool
}

// refreshPending finds out which parameters wait for a restart: those that
// the server itself says, from the files, and those on its command line that
// differ from what the next start would use.
func (s *Server) refreshPending(ctx context.Context, pm *postmaster) error {
	cfg := s.config()
	db, err := s.pool()
	if err != nil {
		return err
	}
	names := make([]string, 0, len(cfg.Controlled))
	for _, p := range cfg.Controlled {
		names = append(names, "'"+strings.ReplaceAll(p.Name, "'", "''")+"'")
	}
	rows, err := db.QueryContext(ctx, `SELECT name, coalesce(setting, ''), coalesce(unit, ''), vartype,
  coalesce(pg_catalog.current_setting(name, true), ''), pending_restart
FROM pg_catalog.pg_settings WHERE context <> 'internal' AND (pending_restart OR name IN (`+strings.Join(append(names, "''"), ",")+`)) ORDER BY name`)
	if err != nil {
		return fmt.Errorf("ask for pending restart: %w", translate(err))
	}
	defer rows.Close()
	var waiting []setting
	for rows.Next() {
		var row setting
		if err := rows.Scan(&row.name, &row.value, &row.unit, &row.kind, &row.shown, &row.pending); err != nil {
			return fmt.Errorf("ask for pending restart: %w", translate(err))
		}
		waiting = append(waiting, row)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("ask for pending restart: %w", translate(err))
	}
	reason := &cluster.Object{}
	for _, row := range waiting {
		wanted, waits := row.waits(cfg)
		if !waits {
			continue
		}
		if wanted == unknownValue {
			wanted = s.valueInFiles(ctx, row)
		}
		change := &cluster.Object{}
		change.Set("old_value", row.shown)
		change.Set("new_value", wanted)
		reason.Set(row.name, change)
	}
	s.mu.Lock()
	if s.pm == pm {
		s.pending, s.pendingOf = reason, pm
	}
	s.mu.Unlock()
	return nil
}

// unknownValue stands for a value that is not ours.
const unknownValue = "?"

// valueInFiles is what the next start would use for a parameter that is not
// one of ours: of an included file, of ALTER SYSTEM, or the default.
func (s *Server) valueInFiles(ctx context.Context, row setting) string {
	cfg := s.config()
	out, err := s.tool(ctx, tool{name: "postgres", args: []string{
		"-C", row.name, "-D", cfg.DataDir, "--config-file=" + filepath.Join(configDir(cfg), "postgresql.conf"),
	}})
	if err != nil {
		return unknownValue
	}
	return row.spell(strings.TrimSpace(out))
}

// waits reports whether the parameter waits for a restart, and for which
// value (unknownValue if it is not one of ours).
func (row setting) waits(cfg config.Postgres) (string, bool) {
	if wanted, ok := parameter(cfg.Controlled, row.name); ok {
		switch {
		case row.name == "hot_standby", row.same(wanted), row.name == "cluster_name" && cluster.ShownAs(wanted, row.value):
			return "", false
		case row.name == "wal_level" && wanted == "hot_standby" && row.value == "replica":
			return "", false
		}
		return row.spell(wanted), true
	}
	// The recovery settings leave the file after a promotion. A primary does not
	// use them, so that there is nothing to wait for.
	if !row.pending || isRecoveryParameter(row.name) {
		return "", false
	}
	if wanted, ok := parameter(cfg.Parameters, row.name); ok {
		return row.spell(wanted), true
	}
	return unknownValue, true
}

// spell writes booleans, and numbers with their unit, as the server does.
func (row setting) spell(wanted string) string {
	if row.kind == "integer" || row.kind == "real" {
		if n, ok := inUnits(wanted, row.unit); ok {
			return withUnit(n, row.unit)
		}
	}
	if row.kind != "bool" {
		return wanted
	}
	if on, ok := cluster.ParseBool(wanted); ok && on {
		return "on"
	} else if ok {
		return "off"
	}
	return wanted
}

// same compares the running value with a wanted text.
func (row setting) same(wanted string) bool {
	switch row.kind {
	case "bool", "enum":
		return strings.EqualFold(row.spell(wanted), row.value)
	case "integer", "real":
		if n, err := strconv.ParseFloat(row.value, 64); err == nil {
			if w, ok := inUnits(wanted, row.unit); ok {
				return n == w
			}
		}
		return wanted == row.value || wanted == row.shown
	}
	return wanted == row.value
}
