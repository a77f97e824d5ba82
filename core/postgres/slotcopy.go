package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pgregent/pgregent/core/cluster"
)

// slotCopy is a logical slot as another server has it on its disk.
type slotCopy struct {
	name    string
	restart cluster.LSN
	state   []byte
}

// CopySlots makes logical slots of the running standby exact copies of those
// of the primary up, and restarts it for that with o: a standby of this
// version range cannot create them by itself. It returns without a restart
// when there is nothing that can be copied: the slot is gone there, or needs
// too much WAL that this server has not got. before is called before the stop.
func (s *Server) CopySlots(ctx context.Context, up cluster.Upstream, names []string, o cluster.StartOptions, before func(context.Context)) error {
	copies, err := s.readSlots(ctx, up, names)
	if err != nil {
		return fmt.Errorf("copy logical slots of %s: %w", up.Name, err)
	}
	wal, err := s.missingWAL(ctx, up, &copies)
	if err == nil && len(copies) == 0 {
		err = errNoCopies
	}
	if err == nil {
		err = s.fetchWAL(ctx, up, wal)
	}
	if err != nil {
		return fmt.Errorf("copy logical slots of %s: %w", up.Name, err)
	}
	before(ctx)
	s.setPhase(cluster.StateRestarting)
	// A stop that was begun is not cut short.
	if err = s.Stop(context.WithoutCancel(ctx), cluster.StopFast, true, nil); err == nil {
		// Without the slots the standby is still better than none.
		written := s.putWAL(wal)
		if written == nil {
			written = s.writeSlots(copies)
		}
		if err = s.Start(ctx, o); err == nil && written != nil {
			return written
		}
	}
	if err != nil {
		s.setPhase(cluster.StateRestartFailed)
		return fmt.Errorf("copy logical slots of %s: %w", up.Name, err)
	}
	return nil
}

// errNoCopies means that a restart would be for nothing.
var errNoCopies = errors.New("there is none that can be used here")

// readSlots reads the files of slots on up. The server writes them in one
// piece, and before it acts on what they say.
func (s *Server) readSlots(ctx context.Context, up cluster.Upstream, names []string) ([]slotCopy, error) {
	var copies []slotCopy
	err := s.withUpstream(ctx, up, func(ctx context.Context, c *sql.Conn) error {
		for _, name := range names {
			sc := slotCopy{name: name}
			err := c.QueryRowContext(ctx, `SELECT pg_catalog.pg_wal_lsn_diff(restart_lsn, '0/0')::bigint,
  pg_catalog.pg_read_binary_file('pg_replslot/' || slot_name || '/state')
FROM pg_catalog.pg_replication_slots
WHERE slot_name = $1 AND slot_type = 'logical' AND NOT temporary AND restart_lsn IS NOT NULL`, name).Scan(&sc.restart, &sc.state)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			copies = append(copies, sc)
		}
		return nil
	})
	return copies, err
}

// writeSlots puts copies into the data directory of the stopped server. A
// directory that is being made has a suffix that the server removes.
func (s *Server) writeSlots(copies []slotCopy) error {
	dir := s.resolvedDir()
	if pm := s.find(); pm != nil || dir == "" {
		return errors.New("write logical slots: the server is not down")
	}
	base := filepath.Join(dir, "pg_replslot")
	mode := os.FileMode(0o700)
	if fileMode(dir) != 0o600 {
		mode = 0o750
	}
	for _, sc := range copies {
		path := filepath.Join(base, sc.name)
		if err := errors.Join(os.RemoveAll(path+".tmp"), os.RemoveAll(path), os.Mkdir(path+".tmp", mode)); err != nil {
			return fmt.Errorf("write logical slot %s: %w", sc.name, err)
		}
		if err := writeFile(filepath.Join(path+".tmp", "state"), sc.state, fileMode(dir)); err != nil {
			return fmt.Errorf("write logical slot %s: %w", sc.name, err)
		}
		if err := errors.Join(syncDir(path+".tmp"), os.Rename(path+".tmp", path)); err != nil {
			return fmt.Errorf("write logical slot %s: %w", sc.name, err)
		}
	}
	return syncDir(base)
}

// syncDir makes the entries of a directory durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
