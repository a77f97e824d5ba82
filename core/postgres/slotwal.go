package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/pgregent/pgregent/core/cluster"
)

// A copy of a logical slot is of use only with the WAL from its restart_lsn
// on. The primary keeps that; a standby made later than the slot has less.

// maxFetchedWAL is the most WAL in bytes that is fetched for copies of slots.
// A consumer that is further behind has to catch up first: meanwhile this node
// cannot take over from a lost leader.
const maxFetchedWAL = 1 << 28

// walChunk is how much WAL is read by one query, in bytes.
const walChunk = 1 << 20

// walTemp is the prefix of files in the making, as the server names its own:
// it removes what is left of them when it starts.
const walTemp = "xlogtemp.pgregent."

// segmentNumber is the position of a WAL file in units of segments; ok is
// false for other files.
func segmentNumber(name string, segment uint64) (n uint64, ok bool) {
	const digits, word = 24, 8
	if len(name) != digits {
		return 0, false
	}
	if _, err := strconv.ParseUint(name[:word], 16, 32); err != nil {
		return 0, false // it becomes part of a path
	}
	high, err := strconv.ParseUint(name[word:2*word], 16, 32)
	low, err2 := strconv.ParseUint(name[2*word:], 16, 32)
	return high*(1<<32/segment) + low, err == nil && err2 == nil
}

// missingWAL lists the WAL files of up that copies need and this server does
// not have. Copies that would need too much, or what is not there either, are
// taken out of the list.
func (s *Server) missingWAL(ctx context.Context, up cluster.Upstream, copies *[]slotCopy) ([]string, error) {
	segment, err := s.segmentSize(ctx)
	if err != nil {
		return nil, err
	}
	replayed := uint64(s.Observe(ctx).ReplayLSN)
	if segment == 0 || replayed == 0 {
		return nil, errors.New("find missing wal: the position of this server is not known")
	}
	entries, err := os.ReadDir(filepath.Join(s.resolvedDir(), "pg_wal"))
	if err != nil {
		return nil, fmt.Errorf("find missing wal: %w", err)
	}
	have, there := map[uint64]bool{}, map[uint64][]string{}
	for _, e := range entries {
		if n, ok := segmentNumber(e.Name(), segment); ok {
			have[n] = true
		}
	}
	if err := s.listUpstreamWAL(ctx, up, segment, there); err != nil {
		return nil, err
	}
	needed := map[string]bool{}
	*copies = slices.DeleteFunc(*copies, func(sc slotCopy) bool {
		files, ok := neededWAL(uint64(sc.restart)/segment, replayed/segment, have, there)
		if !ok || uint64(len(files)) > maxFetchedWAL/segment {
			s.log.Warn("logical slot not copied: too much WAL that it needs is not here; its consumer has to catch up first",
				slog.String("slot", sc.name), slog.String("lsn", sc.restart.String()))
			return true
		}
		for _, f := range files {
			needed[f] = true
		}
		return false
	})
	list := make([]string, 0, len(needed))
	for f := range needed {
		list = append(list, f)
	}
	slices.Sort(list)
	return list, nil
}

// neededWAL are the files of the segments from from up to, not including, to
// that are not here; ok is false if one is not there either. A segment in
// which the timeline was switched has two files, of which the newer one is
// enough.
func neededWAL(from, to uint64, have map[uint64]bool, there map[uint64][]string) (files []string, ok bool) {
	for n := from; n < to; n++ {
		if have[n] {
			continue
		}
		if len(there[n]) == 0 {
			return nil, false
		}
		files = append(files, there[n]...)
	}
	return files, true
}

// listUpstreamWAL adds the WAL files of up by segment number.
func (s *Server) listUpstreamWAL(ctx context.Context, up cluster.Upstream, segment uint64, there map[uint64][]string) error {
	err := s.withUpstream(ctx, up, func(ctx context.Context, c *sql.Conn) error {
		rows, err := c.QueryContext(ctx, "SELECT f FROM pg_catalog.pg_ls_dir('pg_wal', true, false) f")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			if n, ok := segmentNumber(name, segment); ok {
				there[n] = append(there[n], name)
			}
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("list wal of %s: %w", up.Name, err)
	}
	return nil
}

// fetchWAL copies files of up beside the own ones, under another name: the
// running server would remove them.
func (s *Server) fetchWAL(ctx context.Context, up cluster.Upstream, files []string) error {
	if len(files) == 0 {
		return nil
	}
	segment, err := s.segmentSize(ctx)
	if err != nil {
		return err
	}
	s.log.Info("fetching WAL for copies of logical slots", slog.Int("segments", len(files)))
	err = s.withUpstream(ctx, up, func(ctx context.Context, c *sql.Conn) error {
		for _, name := range files {
			if err := s.fetchSegment(ctx, c, name, segment); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for _, name := range files { // the server removes leftovers only after a crash
			_ = os.Remove(filepath.Join(s.resolvedDir(), "pg_wal", walTemp+name)) // mostly not there
		}
		return fmt.Errorf("fetch wal: %w", err)
	}
	return nil
}

func (s *Server) fetchSegment(ctx context.Context, c *sql.Conn, name string, segment uint64) (err error) {
	dir := s.resolvedDir()
	f, err := os.OpenFile(filepath.Join(dir, "pg_wal", walTemp+name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode(dir))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for at := uint64(0); at < segment; at += walChunk {
		var part []byte
		n := min(walChunk, segment-at)
		if err := c.QueryRowContext(ctx, "SELECT pg_catalog.pg_read_binary_file($1, $2, $3, false)", "pg_wal/"+name, at, n).Scan(&part); err != nil {
			return err
		}
		if uint64(len(part)) != n {
			return fmt.Errorf("segment %s: %d of %d bytes at %d", name, len(part), n, at)
		}
		if _, err := f.Write(part); err != nil {
			return err
		}
	}
	return f.Sync()
}

// putWAL moves fetched files to their place. The server is down. They have
// been archived, or will be, by the primary.
func (s *Server) putWAL(files []string) error {
	dir := filepath.Join(s.resolvedDir(), "pg_wal")
	for _, name := range files {
		done := filepath.Join(dir, "archive_status", name+".done")
		if err := os.WriteFile(done, nil, fileMode(s.resolvedDir())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("place fetched wal: %w", err)
		}
		if err := os.Rename(filepath.Join(dir, walTemp+name), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("place fetched wal: %w", err)
		}
	}
	return syncDir(dir)
}
