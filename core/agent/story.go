package agent

import (
	"cmp"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/core/record"
)

const (
	// storyLimit is how long an incident is followed on one member. A replica
	// that is copied anew may take longer: its phase stays open in the record.
	storyLimit = 10 * time.Minute
	// stallAfter is a pause between two rounds that no slow server or store
	// explains: the process, or its host, stood still.
	stallAfter = lookEvery + loadLimit + 2*observeLimit
)

// story follows changes of leaders from the views and decisions that the loop
// has anyway. It decides nothing: without a Recorder it does nothing at all.
type story struct {
	a  *Agent
	mu sync.Mutex

	in *incident
	// What the last round has seen:
	epoch    cluster.Epoch // of the last leader
	leader   string
	led      bool // it was this member, by its lease
	primary  bool
	looked   lease.Instant
	streamed lease.Instant // when this standby was last seen to stream
	leading  cluster.Epoch
	// asked is the last request that was due, since when it was seen, and the
	// leadership that it was about.
	asked      cluster.Failover
	askedAt    lease.Instant
	askedEpoch cluster.Epoch
	refused    int32
	crashes    []lease.Instant
	former     *Former
	// last is the decision of the last round, for work beside the loop.
	last decide.Decision
	// trace is that of what goes on, "" or nil if nothing does: for readers
	// that must not wait for the lock.
	trace atomic.Pointer[string]
}

// on reports that somebody wants to know.
func (s *story) on() bool { return s.a.o.Recorder != nil }

// look takes a round's view and decision in, before it is carried out.
func (s *story) look(v *decide.View, d decide.Decision) {
	if !s.on() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = d
	s.noteRequest(v)
	s.tellFormer(v)
	s.begin(v, d)
	if s.in != nil {
		s.advance(v, d)
	}
	s.remember(v)
	s.publish()
}

// remember keeps what the next round is compared with.
func (s *story) remember(v *decide.View) {
	s.looked, s.led = v.Now, v.Lease.Held()
	s.primary = v.Instance.Ready && v.Instance.Primary() || s.primary && v.Instance.Running && !v.Instance.Ready
	if v.StoreErr == "" && v.Cluster != nil && v.Cluster.Leader != nil {
		s.epoch, s.leader = v.Cluster.Leader.Epoch, v.Cluster.Leader.Name
	}
	if s.led {
		s.epoch, s.leader = v.Lease.Epoch, s.a.o.Name
	}
	if v.Instance.Ready && v.Instance.Standby && v.Instance.ReplicationState == "streaming" {
		s.streamed = v.Now
	}
	leads := cluster.Epoch(0)
	if s.led && s.primary {
		leads = v.Lease.Epoch
	}
	if leads != s.leading {
		s.leading = leads
		s.a.o.Recorder.Leading(leads)
	}
}

// noteRequest keeps the operator's request: it is blanked by whoever acquires.
func (s *story) noteRequest(v *decide.View) {
	if v.Cluster == nil || v.StoreErr != "" {
		return
	}
	f := v.Cluster.Failover
	if !f.Pending() && v.Cluster.Leader != nil && v.Cluster.Leader.Epoch == s.askedEpoch {
		s.askedAt = 0 // it was refused, or withdrawn
	}
	if !f.Pending() || !f.ScheduledAt.IsZero() && v.Wall.Before(f.ScheduledAt) {
		return
	}
	if f.Version != s.asked.Version || s.askedAt == 0 {
		s.asked, s.askedAt = f, v.Now
		s.askedEpoch = cmp.Or(v.LastEpoch, s.epoch)
		if v.Cluster.Leader != nil {
			s.askedEpoch = v.Cluster.Leader.Epoch
		}
	}
}

// open begins an incident of that leadership, which began to end that long ago.
func (s *story) open(v *decide.View, epoch cluster.Epoch, old string, since lease.Instant) *incident {
	if s.in != nil {
		s.leave()
	}
	id := record.Derive(cmp.Or(v.Cluster.SystemID(), v.Instance.SystemID), s.a.o.Scope, epoch)
	in := &incident{id: id, trace: id, epoch: epoch, old: old, kind: record.Failover, since: since, begin: s.a.wall().Add(-v.Now.Sub(since))}
	if s.askedAt != 0 && s.askedEpoch == epoch {
		s.takeRequest(in)
	}
	s.in = in
	return in
}

// takeRequest makes the operator's request the cause, and his trace ours.
func (s *story) takeRequest(in *incident) {
	switch {
	case !s.asked.ScheduledAt.IsZero():
		in.kind, in.cause = record.Switchover, record.CauseScheduled
	case s.asked.Leader == "":
		in.cause = record.CauseManual
	default:
		in.kind, in.cause = record.Switchover, record.CauseSwitchover
	}
	if trace, parent, ok := record.ParseTraceParent(s.asked.TraceParent); ok {
		in.trace, in.parent = trace, parent
	}
}

// leave ends the present incident; what it has open stays so in the record.
func (s *story) leave() {
	if s.in.open {
		s.settle(s.in, record.Failover)
	}
	s.in = nil
}

// phase begins a phase of the incident. The caller holds the lock.
func (s *story) phase(name record.Phase, since lease.Instant, d decide.Decision) *pen {
	in := s.in
	p := &pen{s: s, in: in, began: since}
	begin := in.begin.Add(since.Sub(in.since))
	p.e = record.Entry{
		Span: in.id.Span(s.a.o.Name, string(name), begin), Member: s.a.o.Name, Phase: name, Begin: begin, Rule: d.Rule, Reason: d.Reason,
		Timeline: s.a.s.instance.Timeline, LSN: s.a.s.instance.Position(),
	}
	s.write(in, p.e)
	in.last = p
	return p
}

// during begins a phase if there is an incident; nil if there is none. It may
// be called by work beside the loop, which passes no position.
func (s *story) during(name record.Phase) *pen {
	if !s.on() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == nil {
		return nil
	}
	in, now := s.in, s.a.now()
	begin := in.begin.Add(now.Sub(in.since))
	p := &pen{s: s, in: in, began: now, e: record.Entry{
		Span: in.id.Span(s.a.o.Name, string(name), begin), Member: s.a.o.Name, Phase: name, Begin: begin, Rule: s.last.Rule, Reason: s.last.Reason,
	}}
	s.write(in, p.e)
	in.last = p
	return p
}

// jobNames are the phases of jobs that have another name there; "" are of no
// interest.
var jobNames = map[string]record.Phase{"reload": "", "demote cluster": record.Demote, "follow": "repoint"}

// job begins the phase of a job, for the decision that was taken last.
func (s *story) job(kind string) *pen {
	if !s.on() {
		return nil
	}
	name, renamed := jobNames[kind]
	if !renamed {
		name = record.Phase(kind)
	}
	if name == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == nil {
		return nil
	}
	return s.phase(name, s.a.now(), s.a.s.last)
}

// jobDone ends it. After a promotion the first write is waited for.
func (s *story) jobDone(j *job, err error) {
	if j.pen == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.a.now()
	j.pen.close(now, err)
	switch {
	case s.in == nil || s.in != j.pen.in:
	case j.kind == "promote" && err == nil:
		s.in.write = s.phase(record.Write, now, decide.Decision{Rule: j.pen.e.Rule, Reason: j.pen.e.Reason})
	case j.kind == "hand-over" && err != nil:
		s.refuse(s.in, err)
	case j.kind == "start primary" && err != nil && s.in.cause == record.CauseCrash:
		s.in.cause = record.CauseStartFailed
	}
}

// refuse ends an incident that came to nothing: the leader stays.
func (s *story) refuse(in *incident, err error) {
	if !s.a.o.Store.Lease().Held() {
		return // it ended otherwise
	}
	in.kind = record.Refusal
	s.writeWhole(in, in.begin, s.a.now(), "hand-over", "the switchover was not carried out", err)
	s.in = nil
}

// publish tells those who do not wait for the lock what goes on.
func (s *story) publish() {
	trace := ""
	if s.in != nil {
		trace = s.in.trace.String()
	}
	if old := s.trace.Load(); old == nil || *old != trace {
		s.trace.Store(&trace)
	}
}

// stopping begins the incident of a leader whose agent is told to end.
func (s *story) stopping() *pen {
	if !s.on() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l, v := s.a.o.Store.Lease(), s.a.view()
	if s.in == nil || s.in.epoch != l.Epoch {
		in := s.open(v, l.Epoch, s.a.o.Name, v.Now)
		if in.cause == "" {
			in.cause = record.CauseStopped
		}
	}
	p := s.phase(record.HandOver, v.Now, decide.Decision{Rule: "shutdown", Reason: "this agent was told to end"})
	p.e.Cause = s.in.cause
	s.publish()
	return p
}

// killed notes that the guard had to kill PostgreSQL.
func (s *story) killed(why string) {
	p := s.during(record.Fence)
	if p == nil {
		return
	}
	p.e.Reason = why
	p.end(nil)
}

func where(v *decide.View) string {
	return fmt.Sprintf("%v on timeline %d", v.Instance.Position(), v.Instance.Timeline)
}

// acquiring begins the phase of taking the lock, acquired ends it.
func (s *story) acquiring(d decide.Decision) *pen {
	p := s.during(record.Acquire)
	if p != nil {
		p.e.Rule, p.e.Reason = d.Rule, d.Reason
	}
	return p
}

func (s *story) acquired(p *pen, won bool, err error) {
	if p == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.a.now()
	if won {
		p.in.acquired, p.in.new = now, s.a.o.Name
		p.add("took the leader lock", "epoch", fmt.Sprint(int64(s.a.o.Store.Lease().Epoch)))
	} else if err == nil {
		p.add("another member was faster")
	}
	p.close(now, err)
}
