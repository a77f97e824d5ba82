package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// replayStalled reports that replay was paused by the server itself, as a
// setting that a standby must not have lower than its primary is lower: the
// control file has the primary's. Only a restart gives the standby more.
func (s *Server) replayStalled(ctx context.Context, in cluster.Instance) (bool, error) {
	if !in.Standby || !in.ReplayPaused {
		return false, nil
	}
	d, err := s.controlData(ctx)
	if err != nil {
		return false, err
	}
	db, err := s.pool()
	if err != nil {
		return false, err
	}
	names := make([]string, 0, len(controlNames))
	for name := range controlNames {
		names = append(names, "'"+name+"'")
	}
	rows, err := db.QueryContext(ctx, "SELECT name, setting::bigint FROM pg_catalog.pg_settings WHERE name IN ("+strings.Join(names, ",")+")")
	if err != nil {
		return false, fmt.Errorf("ask for settings: %w", translate(err))
	}
	defer rows.Close()
	stalled := false
	for rows.Next() {
		var name string
		var value int64
		if err := rows.Scan(&name, &value); err != nil {
			return false, fmt.Errorf("ask for settings: %w", translate(err))
		}
		stalled = stalled || value >= 0 && uint64(value) < d.number(controlNames[name])
	}
	if err := rows.Err(); err != nil {
		return false, fmt.Errorf("ask for settings: %w", translate(err))
	}
	return stalled, nil
}
