package agent

import "github.com/pgregent/pgregent/core/record"

// Incident is the trace of what goes on, "" if nothing does. It never waits.
func (a *Agent) Incident() string {
	if id := a.story.trace.Load(); id != nil {
		return *id
	}
	return ""
}

// Operation is the trace of the change of leaders that goes on, and the span
// of the phase that was begun last, or of the whole, for calls that belong to
// it. ok is false if nothing goes on, or if it is not known yet what it is. It
// may be called by any goroutine.
func (a *Agent) Operation() (trace record.ID, parent record.SpanID, ok bool) {
	s := a.story
	if !s.on() {
		return trace, parent, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == nil || s.in.open {
		return trace, parent, false
	}
	if p := s.in.last; p != nil && !p.ended {
		return s.in.trace, p.e.Span, true
	}
	return s.in.trace, s.in.root(), true
}
