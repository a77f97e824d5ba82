package agent

import (
	"cmp"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/record"
)

// tellFormer notes, once the store can be read, what became of a leadership
// that the agent before this one lost by ending without a word.
func (s *story) tellFormer(v *decide.View) {
	f := s.former
	if f == nil || v.StoreErr != "" || v.Cluster == nil {
		return
	}
	if v.Lease.Held() { // it was inherited
		s.former = nil
		return
	}
	if v.Adopted && v.Instance.Primary() { // it is about to be
		return
	}
	s.former = nil
	if s.in == nil {
		s.epoch, s.leader = f.Epoch, s.a.o.Name
		s.open(v, f.Epoch, s.a.o.Name, v.Now)
	}
	cause, reason, end := formerEnd(*f, s.a.wall())
	s.in.cause, s.in.guess = cmp.Or(s.in.cause, cause), false
	p := &pen{s: s, in: s.in, began: v.Now, e: record.Entry{
		Span:   s.in.id.Span(s.a.o.Name, string(record.Fence), f.Last),
		Member: s.a.o.Name, Phase: record.Fence, Begin: end, End: end, Cause: cause, Reason: reason,
	}}
	p.e.Add(record.Event{At: s.a.wall(), Name: "a new agent tells", Facts: map[string]string{"last_word_of_the_former": f.Last.Format(time.RFC3339Nano)}})
	s.write(s.in, p.e)
}

// formerEnd says how a former agent that led has ended, and when its
// PostgreSQL was stopped; if nobody knows that, it is of now.
func formerEnd(f Former, now time.Time) (cause record.Cause, reason string, at time.Time) {
	switch {
	case f.Rebooted:
		return record.CauseNodeLost, "the host was started again; the agent before this one had no time for a word", now
	case !f.Fenced.IsZero() && f.Fenced.After(f.Last):
		return record.CauseAgentKilled, "the agent ended without a word; the fence stopped PostgreSQL: " + f.FencedFor, f.Fenced
	}
	return record.CauseNodeLost, "the agent, its fence and PostgreSQL ended without a word", now
}

// historyDone is called when the history of the new timeline is written: the
// winner has nothing more to tell.
func (s *story) historyDone(p *pen, timeline cluster.Timeline, err error) {
	if p == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.e.Timeline = timeline
	p.close(s.a.now(), err)
	if err == nil && s.in == p.in && s.in.whole {
		s.in = nil
	}
}
