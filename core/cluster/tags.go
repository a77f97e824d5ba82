package cluster

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Tags are a member's tags, as configured or as published. The zero value
// has none.
type Tags struct{ o *Object }

// NewTags wraps o, which must not be changed afterwards.
func NewTags(o *Object) Tags { return Tags{o: o} }

// Object returns the tags as they were given; nil if there are none.
func (t Tags) Object() *Object { return t.o }

// Len returns the number of tags.
func (t Tags) Len() int { return t.o.Len() }

// NoFailover reports that the member must never lead: nofailover, or a
// failover_priority of 0 or less. nofailover wins when both are set.
func (t Tags) NoFailover() bool { return t.refuses("nofailover", "failover_priority") }

// NoSync reports that the member must never be a synchronous standby.
func (t Tags) NoSync() bool { return t.refuses("nosync", "sync_priority") }

// FailoverPriority is compared at equal positions; more is better.
func (t Tags) FailoverPriority() int {
	if t.NoFailover() {
		return 0
	}
	return t.intTag("failover_priority", 1)
}

// SyncPriority orders the candidates for synchronous standby; more is better.
func (t Tags) SyncPriority() int {
	if t.NoSync() {
		return 0
	}
	return t.intTag("sync_priority", 1)
}

// NoLoadBalance reports that /replica must answer 503.
func (t Tags) NoLoadBalance() bool { return t.boolTag("noloadbalance") }

// NoStream reports that the member restores from the archive only.
func (t Tags) NoStream() bool { return t.boolTag("nostream") }

// CloneFrom reports that new replicas should be copied from this member.
// Any value that is not empty, zero or false counts, also the text "false".
func (t Tags) CloneFrom() bool { return Truthy(t.o.Get("clonefrom")) }

// ReplicateFrom names the member to stream from; "" means the leader.
func (t Tags) ReplicateFrom() string {
	s, _ := t.o.Get("replicatefrom").(string)
	return s
}

// Published returns the tags as they go into the member key: the standard
// switches only when set, except that a false nofailover or nosync stays
// next to its priority.
func (t Tags) Published() Tags {
	out := &Object{}
	for k, v := range t.o.All() {
		switch k {
		case "clonefrom", "noloadbalance", "nostream":
			if !Truthy(v) {
				continue
			}
		case "nofailover":
			if !Truthy(v) && !t.o.Has("failover_priority") {
				continue
			}
		case "nosync":
			if !Truthy(v) && !t.o.Has("sync_priority") {
				continue
			}
		}
		out.Set(k, v)
	}
	return Tags{o: out}
}

// MarshalJSON writes the tags in order.
func (t Tags) MarshalJSON() ([]byte, error) {
	if t.o == nil {
		return []byte("{}"), nil
	}
	return t.o.MarshalJSON()
}

// UnmarshalJSON reads an object; anything else is read as no tags.
func (t *Tags) UnmarshalJSON(b []byte) error {
	t.o, _ = ParseObject(b)
	return nil
}

func (t Tags) refuses(flag, priority string) bool {
	if t.o.Has(flag) {
		if b, ok := ParseBool(t.o.Get(flag)); ok {
			return b
		}
	}
	return t.intTag(priority, 1) <= 0
}

func (t Tags) boolTag(key string) bool {
	b, _ := ParseBool(t.o.Get(key))
	return b
}

func (t Tags) intTag(key string, otherwise int) int {
	if n, ok := ParseInt(t.o.Get(key)); ok {
		return int(n)
	}
	return otherwise
}

// Truthy is what counts as true, as in Patroni, where anything may be written.
func Truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case json.Number:
		f, err := v.Float64()
		return err != nil || f != 0
	case []any:
		return len(v) > 0
	case *Object:
		return v.Len() > 0
	}
	return true
}

// ParseBool reads a switch as Patroni does: true, on, yes, 1 and false, off,
// no, 0 in any case, also as text or number. ok is false for anything else.
func ParseBool(v any) (value, ok bool) {
	switch strings.ToLower(Text(v)) {
	case "true", "on", "yes", "1":
		return true, true
	case "false", "off", "no", "0":
		return false, true
	}
	return false, false
}

// ParseInt reads an integer from a JSON number or a text of digits.
func ParseInt(v any) (int64, bool) {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n, true
		}
		f, err := v.Float64()
		if err != nil || math.Abs(f) >= 1<<63 {
			return 0, false
		}
		return int64(f), true
	case string:
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		return n, err == nil
	case int:
		return int64(v), true
	case int64:
		return v, true
	}
	return 0, false
}
