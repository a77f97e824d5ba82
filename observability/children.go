package observability

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/pgregent/pgregent/core/record"
)

// Call is a call to something outside that belongs to an operation: a child
// span of the phase in which it was made.
type Call struct {
	Trace  record.ID
	Parent record.SpanID
	// Span is that which the other side was told of; zero: any.
	Span record.SpanID
	// System is what was called, as zookeeper or postgresql; Name the call.
	System, Name string
	Begin, End   time.Time
	Err          error
}

// Call makes a span of a call that has ended.
func (t *Tracing) Call(c Call) {
	if t == nil {
		return
	}
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(c.Trace), SpanID: trace.SpanID(c.Parent), TraceFlags: trace.FlagsSampled, Remote: true,
	}))
	if c.Span != (record.SpanID{}) {
		ctx = withIDs(ctx, trace.TraceID(c.Trace), trace.SpanID(c.Span))
	}
	_, span := t.tracer.Start(ctx, c.System+" "+c.Name, trace.WithTimestamp(c.Begin), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("pgregent.system", c.System)))
	if c.Err != nil {
		span.SetStatus(codes.Error, c.Err.Error())
	}
	span.End(trace.WithTimestamp(c.End))
}

// NewSpanID is one that nobody else has.
func NewSpanID() record.SpanID {
	return record.SpanID(generator{}.NewSpanID(context.Background(), trace.TraceID{}))
}
