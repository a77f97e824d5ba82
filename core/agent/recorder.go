package agent

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/core/record"
)

// Recorder keeps what happens around a change of leaders, where it can be read
// later. observability implements it.
type Recorder interface {
	// Record takes an entry over. It never blocks: what there is no room for
	// is dropped and counted. The entry is the recorder's from then on.
	Record(e record.Entry)
	// Cycle is told of each round of the loop: which rule decided, and how long
	// the round took.
	Cycle(rule string, took time.Duration)
	// Leading notes that this member leads in that epoch, 0: not any more, so
	// that a successor of a killed agent knows what was lost.
	Leading(epoch cluster.Epoch)
}

// Former is what is known of the agent before this one.
type Former struct {
	// Epoch is in which it led when it ended, 0 if it did not; Last is when it
	// wrote that down.
	Epoch cluster.Epoch
	Last  time.Time
	// Rebooted means that the host was started since.
	Rebooted bool
	// Fenced is when the fence stopped PostgreSQL after it, zero if it did
	// not; FencedFor is the fence's reason.
	Fenced    time.Time
	FencedFor string
}

// Evidence is what the host says when PostgreSQL has gone down by itself.
type Evidence struct {
	// Full names a file system of the server without room; "" if all have.
	Full string
}

// pen notes one phase. A nil pen notes nothing. The lock of the story guards it.
type pen struct {
	s     *story
	in    *incident
	e     record.Entry
	began lease.Instant
	ended bool
}

// event adds something that happened now; facts are names and values.
func (p *pen) event(name string, facts ...string) {
	if p == nil {
		return
	}
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.add(name, facts...)
}

func (p *pen) add(name string, facts ...string) {
	if p == nil || p.ended {
		return
	}
	v := record.Event{At: p.at(p.s.a.now()), Name: name}
	for i := 0; i+1 < len(facts); i += 2 {
		if v.Facts == nil {
			v.Facts = map[string]string{}
		}
		v.Facts[facts[i]] = facts[i+1]
	}
	p.e.Add(v)
}

// at is the wall clock of an instant, counted from the beginning of the phase.
func (p *pen) at(now lease.Instant) time.Time { return p.e.Begin.Add(now.Sub(p.began)) }

// end closes the phase now.
func (p *pen) end(err error) {
	if p == nil {
		return
	}
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.close(p.s.a.now(), err)
}

// close closes the phase. The caller holds the lock.
func (p *pen) close(now lease.Instant, err error) {
	if p == nil || p.ended {
		return
	}
	p.ended = true
	p.e.End = p.at(now)
	if err != nil {
		p.e.Err = err.Error()
	}
	p.s.write(p.in, p.e)
}

// incident is a change of leaders, or a crash that may become one, as this
// member sees it.
type incident struct {
	id     record.ID // of the leadership
	trace  record.ID
	parent record.SpanID // the operator's, zero if there is none
	epoch  cluster.Epoch
	old    string
	new    string
	kind   record.Kind
	cause  record.Cause
	guess  bool
	begin  time.Time
	since  lease.Instant

	// open means that it is not known yet whether the leadership ends: held
	// are the entries that wait for the word.
	open bool
	held []record.Entry

	race, write, follow *pen
	last                *pen // the phase that was begun last
	// acquired is when this member took the lock; 0: it did not.
	acquired lease.Instant
	// told is what was last noted of the decisions, so that only changes are.
	told, peers string
	whole       bool // the root is written
}

// write fills an entry in and hands it on. The caller holds the lock.
func (s *story) write(in *incident, e record.Entry) {
	if in.open {
		if !e.End.IsZero() {
			in.held = append(in.held, e)
			return
		}
	}
	s.a.o.Recorder.Record(s.filled(in, e))
}

func (s *story) filled(in *incident, e record.Entry) record.Entry {
	e.ID, e.Trace, e.Epoch, e.Old, e.New, e.Kind = in.id, in.trace, in.epoch, in.old, in.new, in.kind
	e.Parent = in.root()
	if e.Phase == record.Change {
		e.Span, e.Parent = in.root(), in.parent
	}
	e.Events = append([]record.Event(nil), e.Events...)
	return e
}

// root is the span above all others. It is of the leadership, not of the
// trace: an operator may do several things in one trace.
func (in *incident) root() record.SpanID { return in.id.Root() }

// settle says what the incident was, and writes what has waited for it.
func (s *story) settle(in *incident, kind record.Kind) {
	if !in.open {
		return
	}
	in.open, in.kind = false, kind
	if kind == record.Restart {
		in.id = in.id.Local(s.a.o.Name, in.begin)
		in.trace = in.id
	}
	for _, e := range in.held {
		s.a.o.Recorder.Record(s.filled(in, e))
	}
	in.held = nil
}

// writeWhole writes the root.
func (s *story) writeWhole(in *incident, begin time.Time, now lease.Instant, rule, reason string, err error) {
	if in.whole {
		return
	}
	in.whole = true
	e := record.Entry{
		Member: s.a.o.Name, Phase: record.Change, Begin: begin, End: in.begin.Add(now.Sub(in.since)),
		Rule: rule, Reason: reason, Cause: in.cause, Guess: in.guess,
		Timeline: s.a.s.instance.Timeline, LSN: s.a.s.instance.Position(),
	}
	if err != nil {
		e.Err = err.Error()
	}
	s.write(in, e)
}
