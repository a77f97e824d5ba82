package record

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// ID identifies one change of leaders, or another incident. It is as long as
// the trace id of W3C Trace Context and serves as one.
type ID [16]byte

// SpanID identifies one Entry, and is its span id.
type SpanID [8]byte

// ErrBadID means that a text is no identifier.
var ErrBadID = errors.New("not an identifier of hexadecimal digits")

// Derive returns the identifier of the end of a leadership. All members know
// the arguments, so that they all arrive at the same one.
func Derive(systemID, scope string, epoch cluster.Epoch) ID {
	h := fnv.New128a()
	_, _ = fmt.Fprintf(h, "%s\x00%s\x00%d", systemID, scope, int64(epoch)) // a hash takes everything
	return ID(h.Sum(nil))
}

// Local returns the identifier of an incident that one member has for itself
// under the leadership of that ID: a restart in place, a refusal.
func (id ID) Local(member string, begin time.Time) ID {
	h := fnv.New128a()
	_, _ = h.Write(id[:])
	_, _ = fmt.Fprintf(h, "%s\x00%d", member, begin.UnixNano())
	return ID(h.Sum(nil))
}

// Root is the span that all others of a change are below.
func (id ID) Root() SpanID { return id.Span("", string(Change), time.Time{}) }

// Span returns the identifier of a member's phase that began then.
func (id ID) Span(member, phase string, begin time.Time) SpanID {
	h := fnv.New64a()
	_, _ = h.Write(id[:])
	_, _ = fmt.Fprintf(h, "%s\x00%s\x00%d", member, phase, begin.UnixNano())
	return SpanID(binary.BigEndian.AppendUint64(nil, h.Sum64()))
}

func (id ID) String() string     { return hex.EncodeToString(id[:]) }
func (id SpanID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText writes 32 hexadecimal digits.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalText writes 16 hexadecimal digits.
func (id SpanID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads 32 hexadecimal digits.
func (id *ID) UnmarshalText(text []byte) error { return decode(id[:], text) }

// UnmarshalText reads 16 hexadecimal digits.
func (id *SpanID) UnmarshalText(text []byte) error { return decode(id[:], text) }

func decode(to, text []byte) error {
	if len(text) != 2*len(to) {
		return fmt.Errorf("read %q: %w", text, ErrBadID)
	}
	if _, err := hex.Decode(to, text); err != nil {
		return fmt.Errorf("read %q: %w", text, ErrBadID)
	}
	return nil
}

// ParseID reads 32 hexadecimal digits.
func ParseID(text string) (id ID, err error) { return id, id.UnmarshalText([]byte(text)) }

// TraceParent writes a W3C traceparent header of version 00, sampled.
func TraceParent(trace ID, parent SpanID) string {
	return "00-" + trace.String() + "-" + parent.String() + "-01"
}

// ParseTraceParent reads a W3C traceparent header of version 00: the trace and
// the span that caused it. ok is false for anything else.
func ParseTraceParent(header string) (trace ID, parent SpanID, ok bool) {
	parts := strings.Split(header, "-")
	if len(parts) != 4 || parts[0] != "00" {
		return ID{}, SpanID{}, false
	}
	if trace.UnmarshalText([]byte(parts[1])) != nil || parent.UnmarshalText([]byte(parts[2])) != nil {
		return ID{}, SpanID{}, false
	}
	return trace, parent, trace != ID{} && parent != SpanID{}
}
