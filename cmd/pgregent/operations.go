package main

import (
	"context"
	"sync"
	"time"

	"github.com/pgregent/pgregent/core/record"
	"github.com/pgregent/pgregent/observability"
	"github.com/pgregent/pgregent/rest/client"
)

const (
	// shortest is below what a call to the outside takes: it was answered from
	// memory.
	shortest = time.Millisecond
	// mostCalls bounds the spans of calls in one trace: a replica that is
	// copied for minutes keeps an operation open.
	mostCalls = 300
)

// operations puts calls that belong to a change of leaders into its trace.
// What happens in the steady state is in the metrics.
type operations struct {
	tracing *observability.Tracing
	current func() (record.ID, record.SpanID, bool)

	mu    sync.Mutex
	trace record.ID
	made  int
}

// room counts the calls of a trace.
func (o *operations) room(trace record.ID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if trace != o.trace {
		o.trace, o.made = trace, 0
	}
	o.made++
	return o.made <= mostCalls
}

// called makes a span of a call that has just ended, if an operation goes on.
func (o *operations) called(system, name string, begin time.Time, err error) {
	end := time.Now()
	if o.tracing == nil || end.Sub(begin) < shortest {
		return
	}
	if trace, parent, ok := o.current(); ok && o.room(trace) {
		o.tracing.Call(observability.Call{Trace: trace, Parent: parent, System: system, Name: name, Begin: begin, End: end, Err: err})
	}
}

// calling begins a call that carries the trace to the other side; done ends
// it. Without an operation ctx stays as it is.
func (o *operations) calling(ctx context.Context, system, name string) (_ context.Context, done func(error)) {
	begin, parent, span := time.Now(), o.traceParent(), observability.NewSpanID()
	trace, phase, ok := record.ParseTraceParent(parent)
	if !ok {
		return ctx, func(error) {}
	}
	return client.WithTraceParent(ctx, "00-"+trace.String()+"-"+span.String()+"-01"), func(err error) {
		if o.room(trace) {
			o.tracing.Call(observability.Call{Trace: trace, Parent: phase, Span: span, System: system, Name: name, Begin: begin, End: time.Now(), Err: err})
		}
	}
}

// traceParent is the W3C trace context of the present phase, "" if nothing
// goes on, or if there are no traces.
func (o *operations) traceParent() string {
	if o.tracing == nil {
		return ""
	}
	trace, parent, ok := o.current()
	if !ok {
		return ""
	}
	return "00-" + trace.String() + "-" + parent.String() + "-01"
}
