package cluster

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// LSN is a byte position in the write-ahead log, as in pg_lsn. Zero means
// unknown. Compare LSNs only between servers on the same timeline history.
type LSN uint64

// Timeline numbers a branch of the write-ahead log. Zero means unknown; the
// first timeline of a cluster is 1.
type Timeline uint32

// ParseLSN reads PostgreSQL's text form, "16/B374D848". It returns ErrBadLSN
// (wrapped, with the text) for anything else.
func ParseLSN(s string) (LSN, error) {
	hi, lo, ok := strings.Cut(s, "/")
	if !ok {
		return 0, fmt.Errorf("parse lsn %q: %w", s, ErrBadLSN)
	}
	h, err := strconv.ParseUint(hi, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("parse lsn %q: %w", s, ErrBadLSN)
	}
	l, err := strconv.ParseUint(lo, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("parse lsn %q: %w", s, ErrBadLSN)
	}
	return LSN(h<<32 | l), nil
}

// lsnOf reads a position as keys hold it: a number of bytes or its digits.
// Negative numbers are refused: as LSN they would be ahead of everybody.
func lsnOf(v any) (LSN, bool) {
	n, ok := ParseInt(v)
	if !ok || n < 0 {
		return 0, false
	}
	return LSN(n), true
}

// timelineOf reads a timeline as keys hold it.
func timelineOf(v any) (Timeline, bool) {
	n, ok := ParseInt(v)
	if !ok || n < 0 || n > math.MaxUint32 {
		return 0, false
	}
	return Timeline(n), true
}

// String gives PostgreSQL's text form.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint64(l)>>32, uint32(l)) }
