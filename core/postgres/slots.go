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

// slotsQuery lists the slots that are ours to care for: not temporary ones,
// nor those that PostgreSQL itself synchronizes (failover, since 17; the
// column is looked up by name because older versions have none).
const slotsQuery = `SELECT s.slot_name, s.slot_type, coalesce(s.database, ''), coalesce(s.plugin, ''), s.active,
  coalesce(s.xmin::text::bigint, 0), coalesce(s.catalog_xmin::text::bigint, 0),
  coalesce(pg_catalog.pg_wal_lsn_diff(s.restart_lsn, '0/0')::bigint, 0),
  coalesce(pg_catalog.pg_wal_lsn_diff(s.confirmed_flush_lsn, '0/0')::bigint, 0),
  coalesce(s.wal_status = 'lost', false)
FROM pg_catalog.pg_replication_slots s
WHERE NOT s.temporary AND NOT coalesce((pg_catalog.to_jsonb(s) ->> 'failover')::boolean, false)
ORDER BY s.slot_name`

// querier is a connection, or a pool of them.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Slots carries out changes in order, those of logical slots last, and
// returns the slots that there are then, by name. Temporary slots and those
// that PostgreSQL synchronizes itself are not among them. What could not be
// done for one slot is logged and does not hinder the others; a logical slot
// that could not be advanced because WAL is gone that it needs is marked as
// lost. Without changes it is one short query.
func (s *Server) Slots(ctx context.Context, changes []cluster.SlotChange) ([]cluster.Slot, error) {
	lost, err := s.changeSlots(ctx, changes)
	if err != nil {
		return nil, fmt.Errorf("change replication slots: %w", err)
	}
	db, err := s.pool()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	have, err := listSlots(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("list replication slots: %w", translate(err))
	}
	for i := range have {
		have[i].Lost = have[i].Lost || lost[have[i].Name]
	}
	return have, nil
}

// UpstreamSlots lists the slots of another server as Slots does.
func (s *Server) UpstreamSlots(ctx context.Context, up cluster.Upstream) (have []cluster.Slot, err error) {
	err = s.withUpstream(ctx, up, func(ctx context.Context, c *sql.Conn) error {
		have, err = listSlots(ctx, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list replication slots of %s: %w", up.Name, err)
	}
	return have, nil
}

func listSlots(ctx context.Context, c querier) ([]cluster.Slot, error) {
	rows, err := c.QueryContext(ctx, slotsQuery)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var have []cluster.Slot
	for rows.Next() {
		var sl cluster.Slot
		if err := rows.Scan(&sl.Name, &sl.Type, &sl.Database, &sl.Plugin, &sl.Active,
			&sl.Xmin, &sl.CatalogXmin, &sl.RestartLSN, &sl.ConfirmedLSN, &sl.Lost); err != nil {
			return nil, err
		}
		have = append(have, sl)
	}
	return have, rows.Err()
}

// changeSlots carries out changes. A logical slot is created and advanced in
// its own database. It returns the slots that turned out to be lost.
func (s *Server) changeSlots(ctx context.Context, changes []cluster.SlotChange) (map[string]bool, error) {
	cfg := s.config()
	home := database(cfg)
	byDatabase := map[string][]cluster.SlotChange{}
	order := []string{home}
	for _, ch := range changes {
		where := home
		if ch.Verb != cluster.DropSlot && ch.Type == cluster.LogicalSlot {
			where = "logical " + ch.Database // after the others, also in the home database
			if !slices.Contains(order, where) {
				order = append(order, where)
			}
		}
		byDatabase[where] = append(byDatabase[where], ch)
	}
	lost := map[string]bool{}
	host, port := s.localAddress()
	var errs []error
	for _, where := range order {
		list := byDatabase[where]
		if len(list) == 0 {
			continue
		}
		name := home
		if where != home {
			name = list[0].Database
		}
		err := withConn(ctx, dsn(name, cfg.Superuser, cluster.Upstream{Host: host, Port: port}, 0), noLimit, func(ctx context.Context, c *sql.Conn) error {
			for _, ch := range list {
				if err := s.changeSlot(ctx, c, ch, lost); err != nil {
					return err
				}
			}
			return nil
		})
		if said, ok := errors.AsType[*sqlError](err); ok && where != home && said.code != queryCanceled && said.code != adminShutdown {
			s.log.Warn("logical slots not as wanted", slog.String("database", name), slog.Any("err", said)) // no such database, say
			err = nil
		}
		errs = append(errs, err)
	}
	return lost, errors.Join(errs...)
}

// changeSlot carries one change out. Its error concerns the connection.
func (s *Server) changeSlot(ctx context.Context, c *sql.Conn, ch cluster.SlotChange, lost map[string]bool) error {
	var err error
	switch {
	case ch.Verb == cluster.DropSlot:
		err = execSQL(ctx, c, "SELECT pg_catalog.pg_drop_replication_slot($1)", ch.Name)
	case ch.Verb == cluster.AdvanceSlot:
		err = execSQL(ctx, c, "SELECT pg_catalog.pg_replication_slot_advance($1, $2::pg_lsn)", ch.Name, ch.To.String())
	case ch.Type == cluster.LogicalSlot:
		err = execSQL(ctx, c, "SELECT pg_catalog.pg_create_logical_replication_slot($1, $2)", ch.Name, ch.Plugin)
	default:
		err = execSQL(ctx, c, "SELECT pg_catalog.pg_create_physical_replication_slot($1, true)", ch.Name)
	}
	said, ok := errors.AsType[*sqlError](translate(err))
	if !ok {
		if err == nil && ch.Verb != cluster.AdvanceSlot {
			s.log.Info("replication slot changed", slog.String("slot", ch.Name), slog.String("change", string(ch.Verb)), slog.String("type", string(ch.Type)))
		}
		return err
	}
	switch said.code {
	case undefinedFile, notInPrerequisiteState:
		lost[ch.Name] = ch.Verb == cluster.AdvanceSlot && ch.Type == cluster.LogicalSlot
	case queryCanceled, adminShutdown, cannotConnectNow:
		return err
	}
	s.log.Warn("replication slot not as wanted", slog.String("slot", ch.Name), slog.String("change", string(ch.Verb)), slog.Any("err", said))
	return nil
}

// SQLSTATEs that mean something here.
const (
	undefinedFile          = "58P01" // a WAL segment that was removed
	notInPrerequisiteState = "55000" // an invalidated slot
	queryCanceled          = "57014"
	adminShutdown          = "57P01"
	cannotConnectNow       = "57P03"
)

func execSQL(ctx context.Context, c *sql.Conn, query string, args ...any) error {
	_, err := c.ExecContext(ctx, query, args...)
	return err
}
