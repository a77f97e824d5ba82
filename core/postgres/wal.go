package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pgregent/pgregent/core/cluster"
)

// Sizes of the write-ahead log's format; xlog_internal.h.
const (
	walPageSize        = 8192 // XLOG_BLCKSZ of all packaged builds
	walShortPageHeader = 24
	walLongPageHeader  = 40 // of the first page in a segment
	walAlign           = 8  // MAXALIGN
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
	const recordHeader, limit = 24, 1 << 30
	if total < recordHeader || total > limit {
		return 0, errors.New("find end of wal record: no record at " + lsn.String())
	}
	return recordEnd(lsn, total, segment), nil
}
