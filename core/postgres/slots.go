package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/pgregent/pgregent/core/cluster"
)

// slot is one physical replication slot.
type slot struct {
	position cluster.LSN // restart_lsn; 0 if it has reserved nothing
	active   bool
	xmin     bool // holds back vacuum
}

// SyncSlots makes the physical slots in want exist. On a standby, those that
// nobody uses are advanced to the given position (0: left), as far as it has
// replayed. Slots in drop are dropped unless in use. It returns the positions
// of all physical slots. What could not be done for one slot is logged, and
// does not hinder the others.
func (s *Server) SyncSlots(ctx context.Context, want map[string]cluster.LSN, drop []string) (map[string]cluster.LSN, error) {
	positions := map[string]cluster.LSN{}
	err := s.withLocal(ctx, func(ctx context.Context, c *sql.Conn) error {
		have, recovering, err := listSlots(ctx, c)
		if err != nil {
			return err
		}
		for _, name := range drop {
			if have, err = s.dropSlot(ctx, c, have, name); err != nil {
				return err
			}
		}
		names := make([]string, 0, len(want))
		for name := range want {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if have[name], err = s.syncSlot(ctx, c, have, name, want[name], recovering); err != nil {
				return err
			}
		}
		for name, sl := range have {
			if sl.position != 0 {
				positions[name] = sl.position
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("synchronize replication slots: %w", err)
	}
	return positions, nil
}

// listSlots reads the physical slots.
func listSlots(ctx context.Context, c *sql.Conn) (map[string]slot, bool, error) {
	rows, err := c.QueryContext(ctx, `SELECT slot_name, coalesce(pg_catalog.pg_wal_lsn_diff(restart_lsn, '0/0')::bigint, 0),
  active, xmin IS NOT NULL, pg_catalog.pg_is_in_recovery()
FROM pg_catalog.pg_replication_slots WHERE slot_type = 'physical' AND NOT temporary
UNION ALL SELECT '', 0, false, false, pg_catalog.pg_is_in_recovery()`)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	have, recovering := map[string]slot{}, false
	for rows.Next() {
		var name string
		var sl slot
		if err := rows.Scan(&name, &sl.position, &sl.active, &sl.xmin, &recovering); err != nil {
			return nil, false, err
		}
		if name != "" {
			have[name] = sl
		}
	}
	return have, recovering, rows.Err()
}

// dropSlot drops an unused slot.
func (s *Server) dropSlot(ctx context.Context, c *sql.Conn, have map[string]slot, name string) (map[string]slot, error) {
	sl, ok := have[name]
	if !ok || sl.active {
		return have, nil
	}
	if err := s.oneSlot(name, execSQL(ctx, c, "SELECT pg_catalog.pg_drop_replication_slot($1)", name)); err != nil {
		return have, err
	}
	delete(have, name)
	return have, nil
}

// syncSlot creates a slot, or advances it.
func (s *Server) syncSlot(ctx context.Context, c *sql.Conn, have map[string]slot, name string, to cluster.LSN, recovering bool) (slot, error) {
	sl, exists := have[name]
	// On a standby nobody streams through such a slot: its xmin is left over
	// from another role and would hold back vacuum for ever.
	if exists && recovering && !sl.active && sl.xmin {
		var err error
		if have, err = s.dropSlot(ctx, c, have, name); err != nil {
			return sl, err
		}
		_, exists = have[name]
	}
	if !exists {
		if err := s.oneSlot(name, execSQL(ctx, c, "SELECT pg_catalog.pg_create_physical_replication_slot($1, true)", name)); err != nil {
			return slot{}, err
		}
	}
	if recovering && !sl.active && to > max(sl.position, 1) {
		const advance = `SELECT pg_catalog.pg_replication_slot_advance($1, least($2::pg_lsn, pg_catalog.pg_last_wal_replay_lsn()))
FROM pg_catalog.pg_replication_slots WHERE slot_name = $1 AND restart_lsn < least($2::pg_lsn, pg_catalog.pg_last_wal_replay_lsn())`
		if err := s.oneSlot(name, execSQL(ctx, c, advance, name, to.String())); err != nil {
			return sl, err
		}
	}
	err := c.QueryRowContext(ctx, `SELECT coalesce(pg_catalog.pg_wal_lsn_diff(restart_lsn, '0/0')::bigint, 0), active
FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`, name).Scan(&sl.position, &sl.active)
	if errors.Is(err, sql.ErrNoRows) {
		return slot{}, nil
	}
	return sl, err
}

// oneSlot logs an error that the server reported about one slot; others
// concern the connection and are returned.
func (s *Server) oneSlot(name string, err error) error {
	if _, ok := errors.AsType[*sqlError](translate(err)); !ok {
		return err
	}
	s.log.Warn("replication slot not as wanted", slog.String("slot", name), slog.Any("err", translate(err)))
	return nil
}

func execSQL(ctx context.Context, c *sql.Conn, query string, args ...any) error {
	_, err := c.ExecContext(ctx, query, args...)
	return err
}
