package cluster

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Epoch identifies one leadership: the creation transaction of the leader
// znode. Later leaderships have larger epochs. Zero means none.
type Epoch int64

// Leader is the leader znode. Session and Epoch say whose it is: the name
// alone proves nothing.
type Leader struct {
	Name    string
	Session int64
	Epoch   Epoch
}

// Failover is the failover key: a pending switchover (Leader set) or manual
// failover (only Candidate set).
type Failover struct {
	Leader    string
	Candidate string
	// ScheduledAt is zero for a request that is due now.
	ScheduledAt time.Time
	// TraceParent is the W3C trace context of the operator's request, ours
	// only; other readers ignore it.
	TraceParent string
	// Version is the data version of the key, the condition of a change;
	// NoVersion if the key does not exist.
	Version int32
	// Exists reports that the key is there, also when it is blank.
	Exists bool
	// Problem says why a request in the key was ignored; "" if none was.
	Problem string
}

// NoVersion is the condition "the key must not exist".
const NoVersion int32 = -2

// AnyVersion is no condition.
const AnyVersion int32 = -1

// Pending reports that the key holds a request.
func (f Failover) Pending() bool { return f.Leader != "" || f.Candidate != "" }

// Due reports that a request is pending and not scheduled for later.
func (f Failover) Due() bool { return f.Pending() && f.ScheduledAt.IsZero() }

// Encode writes the value of the failover key; a blank request gives "{}".
func (f Failover) Encode() []byte {
	o := &Object{}
	if f.Leader != "" {
		o.Set("leader", f.Leader)
	}
	if f.Candidate != "" {
		o.Set("member", f.Candidate)
	}
	if !f.ScheduledAt.IsZero() {
		o.Set("scheduled_at", f.ScheduledAt.Format("2006-01-02T15:04:05.999999-07:00"))
	}
	if f.TraceParent != "" {
		o.Set("traceparent", f.TraceParent)
	}
	return []byte(o.String())
}

// ParseFailover reads the failover key, also in its legacy form
// "leader:candidate". A request that cannot be read is ignored and told in
// Problem.
func ParseFailover(text []byte, version int32) Failover {
	f := Failover{Version: version, Exists: true}
	o, err := ParseObject(text)
	if err != nil {
		switch {
		case json.Valid(text) || len(text) == 0:
		case strings.ContainsAny(string(text), `{["`): // damaged, not the legacy form
			f.Problem = "it is neither a JSON object nor leader:candidate"
		default:
			f.Leader, f.Candidate, _ = strings.Cut(string(text), ":")
		}
		return f
	}
	f.Leader, _ = o.Get("leader").(string)
	f.Candidate, _ = o.Get("member").(string)
	f.TraceParent, _ = o.Get("traceparent").(string)
	if v := o.Get("scheduled_at"); Truthy(v) {
		at, err := ParseTime(Text(v))
		if err != nil {
			return Failover{Version: version, Exists: true, Problem: "scheduled_at " + strconv.Quote(Text(v)) + " is not an ISO 8601 time with offset"}
		}
		f.ScheduledAt = at
	}
	return f
}

// ParseTime reads the forms of ISO 8601 that clients send: T or blank
// between date and time, seconds and fraction optional, the offset as Z,
// +hh, +hhmm or +hh:mm. The offset is mandatory.
func ParseTime(s string) (time.Time, error) {
	const secondsPerDay = 24 * 60 * 60
	s = strings.Replace(strings.TrimSpace(s), " ", "T", 1)
	var firstErr error
	for _, day := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} {
		for _, zone := range []string{"Z07:00", "Z0700", "Z07"} {
			at, err := time.Parse(day+zone, s)
			if _, offset := at.Zone(); err == nil && max(offset, -offset) >= secondsPerDay {
				err = errors.New("offset of a day or more") // Python's readers fail on it
			}
			if err == nil {
				return at, nil
			}
			if firstErr == nil {
				firstErr = err
			}
		}
	}
	return time.Time{}, firstErr
}

// SyncState is the sync key: who may be promoted in synchronous mode.
type SyncState struct {
	Leader   string
	Quorum   int
	Standbys []string
	Version  int32
	Exists   bool
	// Broken means that the key cannot be understood: nobody knows who may lead.
	Broken bool
}

// Active reports that synchronous mode is in force.
func (s SyncState) Active() bool { return s.Leader != "" }

// Contains reports, without regard to case, that name is a listed standby
// or the leader of the key.
func (s SyncState) Contains(name string) bool {
	return strings.EqualFold(s.Leader, name) || s.HasStandby(name)
}

// HasStandby reports, without regard to case, that name is a listed standby.
func (s SyncState) HasStandby(name string) bool {
	for _, n := range s.Standbys {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// Encode writes the value of the sync key; an inactive state gives "{}".
func (s SyncState) Encode() []byte {
	o := &Object{}
	if s.Leader != "" {
		o.Set("leader", s.Leader)
		o.Set("quorum", s.Quorum)
		o.Set("sync_standby", nil)
		if len(s.Standbys) > 0 {
			names := append([]string(nil), s.Standbys...)
			sort.Strings(names)
			o.Set("sync_standby", strings.Join(names, ","))
		}
	}
	return []byte(o.String())
}

// ParseSync reads the sync key; what cannot be read is not active.
func ParseSync(text []byte, version int32) SyncState {
	s := SyncState{Version: version, Exists: true}
	o, err := ParseObject(text)
	if err != nil {
		s.Broken = len(text) > 0
		return s
	}
	if s.Leader, _ = o.Get("leader").(string); s.Leader == "" {
		return s // the other fields mean nothing without it
	}
	q, ok := ParseInt(o.Get("quorum"))
	names, isText := o.Get("sync_standby").(string)
	s.Broken = !ok && o.Get("quorum") != nil || q < 0 || !isText && o.Get("sync_standby") != nil
	s.Quorum = int(q)
	for n := range strings.SplitSeq(names, ",") {
		if n = strings.TrimSpace(n); n != "" {
			s.Standbys = append(s.Standbys, n)
		}
	}
	return s
}

// Status is the status key: how far the leader's WAL has been flushed, and
// the positions of its replication slots.
type Status struct {
	Optime      LSN
	Slots       map[string]LSN
	RetainSlots []string
	// Released is the epoch of the leadership that ended in order at Optime:
	// nothing was written after it. 0 if the leader writes on, or was lost.
	// Ours only; other readers ignore it.
	Released Epoch
}

// Equal reports that both are written alike.
func (s Status) Equal(o Status) bool {
	if s.Optime != o.Optime || s.Released != o.Released || !maps.Equal(s.Slots, o.Slots) || len(s.RetainSlots) != len(o.RetainSlots) {
		return false
	}
	return slices.Equal(s.RetainSlots, o.RetainSlots) ||
		slices.Equal(slices.Sorted(slices.Values(s.RetainSlots)), slices.Sorted(slices.Values(o.RetainSlots)))
}

// Encode writes the value of the status key.
func (s Status) Encode() []byte {
	o := &Object{}
	o.Set("optime", json.Number(strconv.FormatUint(uint64(s.Optime), 10)))
	if len(s.Slots) > 0 {
		names := make([]string, 0, len(s.Slots))
		for n := range s.Slots {
			names = append(names, n)
		}
		sort.Strings(names)
		slots := &Object{}
		for _, n := range names {
			slots.Set(n, json.Number(strconv.FormatUint(uint64(s.Slots[n]), 10)))
		}
		o.Set("slots", slots)
	}
	if len(s.RetainSlots) > 0 {
		names := append([]string(nil), s.RetainSlots...)
		sort.Strings(names)
		list := make([]any, len(names))
		for i, n := range names {
			list[i] = n
		}
		o.Set("retain_slots", list)
	}
	if s.Released != 0 {
		o.Set("released", json.Number(strconv.FormatInt(int64(s.Released), 10)))
	}
	return []byte(o.String())
}

// ParseStatus reads the status key, or the bare number of older releases.
// What cannot be read is left empty.
func ParseStatus(text []byte) Status {
	if n, ok := lsnOf(string(text)); ok {
		return Status{Optime: n}
	}
	o, err := ParseObject(text)
	if err != nil {
		return Status{}
	}
	var s Status
	s.Optime, _ = lsnOf(o.Get("optime"))
	slots := o.Object("slots")
	if nested, ok := o.Get("slots").(string); ok {
		slots, _ = ParseObject([]byte(nested))
	}
	for name, v := range slots.All() {
		if n, ok := lsnOf(v); ok {
			if s.Slots == nil {
				s.Slots = map[string]LSN{}
			}
			s.Slots[name] = n
		}
	}
	released, _ := ParseInt(o.Get("released"))
	s.Released = Epoch(released)
	list, _ := o.Get("retain_slots").([]any)
	if nested, ok := o.Get("retain_slots").(string); ok {
		_ = json.Unmarshal([]byte(nested), &list) // unreadable means none
	}
	for _, v := range list {
		if name, ok := v.(string); ok {
			s.RetainSlots = append(s.RetainSlots, name)
		}
	}
	return s
}

// HistoryEntry is one row of the history key: Timeline ended at LSN.
type HistoryEntry struct {
	Timeline Timeline
	LSN      LSN
	Reason   string
	// At is ISO 8601 with offset, "" in rows of old releases.
	At        string
	NewLeader string
}

// History is the history key, oldest first.
type History []HistoryEntry

// ClusterTimeline is the timeline that follows the last row: 1 for an empty
// history, 0 (unknown) when the key is absent or unreadable (nil).
func (h History) ClusterTimeline() Timeline {
	if h == nil {
		return 0
	}
	if len(h) == 0 {
		return 1
	}
	return h[len(h)-1].Timeline + 1
}

// SameForks reports that both have left the same timelines at the same places.
func (h History) SameForks(o History) bool {
	return slices.EqualFunc(h, o, func(a, b HistoryEntry) bool { return a.Timeline == b.Timeline && a.LSN == b.LSN })
}

// MarshalJSON writes the array of arrays.
func (h History) MarshalJSON() ([]byte, error) {
	rows := make([][]any, 0, len(h))
	for _, e := range h {
		row := []any{e.Timeline, e.LSN, e.Reason}
		if e.At != "" || e.NewLeader != "" {
			row = append(row, e.At)
		}
		if e.NewLeader != "" {
			row = append(row, e.NewLeader)
		}
		rows = append(rows, row)
	}
	return EncodeJSON(rows)
}

// ParseHistory reads the history key; nil if it cannot be read.
func ParseHistory(text []byte) History {
	if !json.Valid(text) { // the decoder alone would not see text after the array
		return nil
	}
	var rows [][]any
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	if dec.Decode(&rows) != nil || rows == nil {
		return nil
	}
	h := make(History, 0, len(rows))
	for _, row := range rows {
		if len(row) < 3 {
			return nil
		}
		tl, ok1 := timelineOf(row[0])
		lsn, ok2 := lsnOf(row[1])
		if !ok1 || !ok2 {
			return nil
		}
		e := HistoryEntry{Timeline: tl, LSN: lsn, Reason: Text(row[2])}
		if len(row) > 3 {
			e.At, _ = row[3].(string)
		}
		if len(row) > 4 {
			e.NewLeader, _ = row[4].(string)
		}
		h = append(h, e)
	}
	return h
}
