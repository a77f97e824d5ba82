package postgres

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// Sizes of the write-ahead log's format; xlog_internal.h.
const (
	walPageSize        = 8192 // XLOG_BLCKSZ of all packaged builds
	walShortPageHeader = 24
	walLongPageHeader  = 40 // of the first page in a segment
	walAlign           = 8  // MAXALIGN
	walRecordHeader    = 24
	walRecordLimit     = 1 << 30
)

// recordEnd is the position after a record of total bytes that starts at
// lsn: where the next record will be, not counting the header of a new page.
// segment is the size of a WAL segment in bytes.
func recordEnd(lsn cluster.LSN, total uint32, segment uint64) cluster.LSN {
	pos := uint64(lsn)
	left := (uint64(total) + walAlign - 1) / walAlign * walAlign
	for {
		pageEnd := (pos/walPageSize + 1) * walPageSize
		if left <= pageEnd-pos {
			return cluster.LSN(pos + left)
		}
		left -= pageEnd - pos
		pos = pageEnd + walShortPageHeader
		if pageEnd%segment == 0 {
			pos = pageEnd + walLongPageHeader
		}
	}
}

// segmentName is the name of the WAL file that holds lsn.
func segmentName(tl cluster.Timeline, lsn cluster.LSN, segment uint64) string {
	perID := uint64(1<<32) / segment
	n := uint64(lsn) / segment
	return fmt.Sprintf("%08X%08X%08X", uint32(tl), n/perID, n%perID)
}

// endOfRecord reads the length of the record at lsn and returns its end.
func endOfRecord(dataDir string, tl cluster.Timeline, lsn cluster.LSN, segment uint64) (cluster.LSN, error) {
	if segment == 0 || segment%walPageSize != 0 {
		return 0, fmt.Errorf("find end of wal record: segment size %d", segment)
	}
	f, err := os.Open(filepath.Join(dataDir, "pg_wal", segmentName(tl, lsn, segment)))
	if err != nil {
		return 0, fmt.Errorf("find end of wal record: %w", err)
	}
	defer f.Close()
	var b [4]byte // xl_tot_len, never split over pages
	if _, err := f.ReadAt(b[:], int64(uint64(lsn)%segment)); err != nil {
		return 0, fmt.Errorf("find end of wal record: %w", err)
	}
	total := binary.NativeEndian.Uint32(b[:])
	if total < walRecordHeader || total > walRecordLimit {
		return 0, errors.New("find end of wal record: no record at " + lsn.String())
	}
	return recordEnd(lsn, total, segment), nil
}

// recordSample is how much of a checkpoint record is compared, in bytes: its
// header with the checksum, even if a page begins inside. The record itself
// is longer.
const recordSample = 64

// sameRecord reports whether up has our last checkpoint's record in its place:
// the same position holds something else, or nothing any more, if the logs
// have parted before. Of an earlier timeline of up's, nothing any more proves
// nothing. The function that reads it is one that pg_rewind needs too.
func (s *Server) sameRecord(ctx context.Context, up cluster.Upstream, own ownLog, other upstreamLog) (bool, error) {
	segment, err := s.segmentSize(ctx)
	if err != nil {
		return false, err
	}
	if segment == 0 {
		return false, errors.New("compare wal records: segment size is not known")
	}
	file := func(tl cluster.Timeline) string {
		return filepath.Join("pg_wal", segmentName(tl, own.checkpoint, segment))
	}
	offset := int64(uint64(own.checkpoint) % segment)
	ours, err := readSample(filepath.Join(s.config().DataDir, file(own.timeline)), offset, recordSample)
	if err != nil {
		return false, err
	}
	holder := segmentHolder(births(other.history, other.timeline), own.timeline, own.checkpoint, segment)
	theirs, err := s.upstreamSample(ctx, up, file(holder), offset, recordSample)
	if err != nil {
		return false, err
	}
	if theirs == nil && own.timeline < other.timeline {
		return true, nil
	}
	return bytes.Equal(ours, theirs), nil
}

// upstreamSample reads n bytes of a file in up's data directory; nil: there is
// no such file (any more).
func (s *Server) upstreamSample(ctx context.Context, up cluster.Upstream, name string, offset int64, n int) ([]byte, error) {
	var b []byte
	err := s.withUpstream(ctx, up, func(ctx context.Context, c *sql.Conn) error {
		return c.QueryRowContext(ctx, "SELECT pg_catalog.pg_read_binary_file($1, $2, $3, true)", name, offset, n).Scan(&b)
	})
	if err != nil {
		return nil, fmt.Errorf("compare wal records: %w", err)
	}
	return b, nil
}

func readSample(path string, offset int64, n int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("compare wal records: %w", err)
	}
	defer f.Close()
	b := make([]byte, n)
	n, err = f.ReadAt(b, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("compare wal records: %w", err)
	}
	return b[:n], nil
}

// newestSegmentTimeline is the highest timeline of which pg_wal has a segment
// and the history; 0 if none can be read. A history file alone proves nothing
// received, a segment alone was left of an abandoned timeline: pg_rewind keeps
// some.
func newestSegmentTimeline(dataDir string) cluster.Timeline {
	entries, err := os.ReadDir(filepath.Join(dataDir, "pg_wal"))
	if err != nil {
		return 0
	}
	var newest cluster.Timeline
	histories := map[cluster.Timeline]bool{1: true} // the first has none
	for _, e := range entries {                     // by name: "00000002.history" before its segments
		name, history := strings.CutSuffix(e.Name(), ".history")
		if !history && len(name) != 24 {
			continue
		}
		n, err := strconv.ParseUint(name[:min(8, len(name))], 16, 32)
		if err != nil {
			continue
		}
		tl := cluster.Timeline(n)
		if history {
			histories[tl] = true
		} else if histories[tl] {
			newest = max(newest, tl)
		}
	}
	return newest
}
