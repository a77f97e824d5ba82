package observability

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	// spanRoom is how many spans may wait for the collector, spanBatch how
	// many go at once.
	spanRoom  = 2048
	spanBatch = 256
	// spanPause lets a batch become one.
	spanPause = 500 * time.Millisecond
)

// spanQueue is a span processor whose queue is bounded and which counts what
// it drops. The collector, or its absence, is met by its goroutine alone.
type spanQueue struct {
	exporter sdktrace.SpanExporter
	log      *slog.Logger
	spans    chan sdktrace.ReadOnlySpan
	flush    chan chan struct{}
	stop     chan struct{}
	stopped  chan struct{}
	once     sync.Once
	// abandon ends requests under way: Shutdown does when its time is over.
	abandon context.CancelFunc

	dropped, exported atomic.Int64
}

func newSpanQueue(exporter sdktrace.SpanExporter, log *slog.Logger) *spanQueue {
	q := &spanQueue{
		exporter: exporter, log: log, spans: make(chan sdktrace.ReadOnlySpan, spanRoom),
		flush: make(chan chan struct{}), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	ctx, abandon := context.WithCancel(context.Background())
	q.abandon = abandon
	go q.run(ctx)
	return q
}

// OnStart does nothing.
func (q *spanQueue) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd queues a span, or drops it.
func (q *spanQueue) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	select {
	case q.spans <- s:
	default:
		q.dropped.Add(1)
	}
}

func (q *spanQueue) run(ctx context.Context) {
	defer close(q.stopped)
	failing := false
	for {
		var flushed chan struct{}
		var batch []sdktrace.ReadOnlySpan
		select {
		case <-q.stop:
			for batch = q.take(nil); len(batch) > 0; batch = q.take(nil) {
				q.send(ctx, batch, &failing)
			}
			return
		case flushed = <-q.flush:
		case s := <-q.spans:
			batch = append(batch, s)
			select {
			case <-time.After(spanPause):
			case <-q.stop:
			case flushed = <-q.flush:
			}
		}
		for batch = q.take(batch); len(batch) > 0; batch = q.take(nil) {
			q.send(ctx, batch, &failing)
		}
		if flushed != nil {
			close(flushed)
		}
	}
}

// take adds what waits, up to a batch.
func (q *spanQueue) take(batch []sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	for len(batch) < spanBatch {
		select {
		case s := <-q.spans:
			batch = append(batch, s)
		default:
			return batch
		}
	}
	return batch
}

// send counts what the collector did not take, and says so once.
func (q *spanQueue) send(ctx context.Context, batch []sdktrace.ReadOnlySpan, failing *bool) {
	if ctx.Err() != nil { // Shutdown has no more time
		q.dropped.Add(int64(len(batch)))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, exportLimit)
	defer cancel()
	err := q.exporter.ExportSpans(ctx, batch)
	if err != nil {
		q.dropped.Add(int64(len(batch)))
		if !*failing {
			q.log.Warn("the collector does not take spans; they are dropped until it does", "err", err)
		}
	} else {
		q.exported.Add(int64(len(batch)))
	}
	*failing = err != nil
}

// ForceFlush waits until what is queued now has been sent, or dropped.
func (q *spanQueue) ForceFlush(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case q.flush <- done:
	case <-q.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Shutdown sends what waits until ctx ends, and drops the rest.
func (q *spanQueue) Shutdown(ctx context.Context) error {
	q.once.Do(func() { close(q.stop) })
	select {
	case <-q.stopped:
	case <-ctx.Done():
	}
	err := ctx.Err()
	q.abandon()
	<-q.stopped // at once: its context is over
	q.dropped.Add(int64(len(q.spans)))
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 100*time.Millisecond)
	defer cancel()
	if closed := q.exporter.Shutdown(closing); err == nil {
		err = closed
	}
	return err
}

// generator gives spans the identifiers that their context asks for, else
// random ones.
type generator struct{}

type idsKey struct{}

type ids struct {
	trace trace.TraceID
	span  trace.SpanID
}

func withIDs(ctx context.Context, t trace.TraceID, s trace.SpanID) context.Context {
	return context.WithValue(ctx, idsKey{}, ids{t, s})
}

// NewIDs is asked for a span without a parent.
func (g generator) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if w, ok := ctx.Value(idsKey{}).(ids); ok {
		return w.trace, w.span
	}
	var t trace.TraceID
	for !t.IsValid() {
		fill(t[:])
	}
	return t, g.NewSpanID(ctx, t)
}

// NewSpanID is asked for a span below another.
func (generator) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if w, ok := ctx.Value(idsKey{}).(ids); ok {
		return w.span
	}
	var s trace.SpanID
	for !s.IsValid() {
		fill(s[:])
	}
	return s
}

func fill(b []byte) {
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
}
