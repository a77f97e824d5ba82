package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/pgregent/pgregent/core/cluster"
)

// birth is where a timeline begins: at the end of its parent's part of a log.
type birth struct {
	parent, timeline cluster.Timeline
	lsn              cluster.LSN
}

// births are those of a log on tl, oldest first.
func births(h cluster.History, tl cluster.Timeline) []birth {
	list := make([]birth, len(h))
	for i, row := range h {
		list[i] = birth{parent: row.Timeline, timeline: tl, lsn: row.LSN}
		if i > 0 {
			list[i-1].timeline = row.Timeline
		}
	}
	return list
}

// sharedBirth is of the newest timeline that has the same number and
// beginning in both logs; false if only timeline 1 has, or none. A log whose
// history is not known is taken to have the other's.
func sharedBirth(own ownLog, up upstreamLog) (birth, bool) {
	var found birth
	ours := births(own.history, own.timeline)
	for _, theirs := range births(up.history, up.timeline) {
		if own.history == nil && theirs.timeline <= own.timeline {
			found = theirs
		}
		for _, b := range ours {
			if b == theirs {
				found = b
			}
		}
	}
	return found, found.timeline != 0
}

// segmentHolder is the timeline whose segment file has what a log has at lsn
// of tl: a promotion copies the segment that it happens in, and the old file
// may be renamed.
func segmentHolder(list []birth, tl cluster.Timeline, lsn cluster.LSN, segment uint64) cluster.Timeline {
	for _, b := range list {
		if b.parent == tl && uint64(b.lsn)/segment == uint64(lsn)/segment {
			tl = b.timeline
		}
	}
	return tl
}

// birthSample is how much of the log is read where a timeline begins, in
// bytes: a page header and the first record.
const birthSample = walLongPageHeader + 88

// bornApart reports whether the newest timeline that both logs have, by
// number and beginning, began in two promotions: two standbys that had
// received the same were promoted apart. A promotion's first record has the
// time in microseconds. False may also mean that one of the two has removed
// that part of its log, or that this server may not read the other's.
func (s *Server) bornApart(ctx context.Context, up cluster.Upstream, own ownLog, other upstreamLog) (bool, error) {
	b, found := sharedBirth(own, other)
	if !found {
		return false, nil
	}
	segment, err := s.segmentSize(ctx)
	if err != nil || segment == 0 {
		return false, err
	}
	file := func(h cluster.History, tl cluster.Timeline) string {
		return filepath.Join("pg_wal", segmentName(segmentHolder(births(h, tl), b.timeline, b.lsn, segment), b.lsn, segment))
	}
	offset := int64(uint64(b.lsn) % segment)
	ours, err := readSample(filepath.Join(s.config().DataDir, file(own.history, own.timeline)), offset, birthSample)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	n := firstRecord(ours, b.lsn, segment)
	if n == 0 || own.end < b.lsn+cluster.LSN(n) || other.flush < b.lsn+cluster.LSN(n) {
		return false, nil // not there yet
	}
	theirs, err := s.upstreamSample(ctx, up, file(other.history, other.timeline), offset, n)
	if refused, ok := errors.AsType[*sqlError](err); ok && refused.code == insufficientPrivilege {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return theirs != nil && !bytes.Equal(ours[:n], theirs), nil
}

// insufficientPrivilege is the SQLSTATE of what a role may not do.
const insufficientPrivilege = "42501"

// firstRecord is how much of sample, the log from lsn on, the first record
// that begins there takes, with a page header before it; 0: there is none.
func firstRecord(sample []byte, lsn cluster.LSN, segment uint64) int {
	start := 0
	switch {
	case uint64(lsn)%segment == 0:
		start = walLongPageHeader
	case lsn%walPageSize == 0:
		start = walShortPageHeader
	}
	if len(sample) < start+4 {
		return 0
	}
	total := binary.NativeEndian.Uint32(sample[start:]) // xl_tot_len
	if total < walRecordHeader || total > walRecordLimit {
		return 0
	}
	end := recordEnd(lsn+cluster.LSN(start), total, segment)
	return min(len(sample), int(end-lsn))
}
