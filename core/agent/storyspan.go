package agent

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/pgregent/pgregent/core/record"
)

// followUp is how long after a change of leaders what the site is told still
// belongs to it.
const followUp = time.Minute

// withSpan makes what a job has plugins do children of its phase.
func (s *story) withSpan(ctx context.Context, p *pen) context.Context {
	if p == nil {
		return ctx
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.in.open { // in which trace it ends up is not known yet
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(p.in.trace), SpanID: trace.SpanID(p.e.Span), TraceFlags: trace.FlagsSampled, Remote: true,
	}))
}

// traceParent is the change of leaders that events of now belong to, "" if
// there is none.
func (s *story) traceParent() string {
	if !s.on() {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == nil || s.in.open || s.in.whole && s.a.now().Sub(s.in.since) > followUp {
		return ""
	}
	return record.TraceParent(s.in.trace, s.in.root())
}
