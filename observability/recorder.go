package observability

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/record"
)

// recorderQueue is how many entries may wait for the disk. A change of leaders
// has some dozens.
const recorderQueue = 512

// Recorder takes entries from the agent, which it never holds up, and brings
// them to the file, the traces and the metrics.
type Recorder struct {
	o       RecorderOptions
	queue   chan item
	dropped atomic.Int64
	once    sync.Once
	done    chan struct{}
}

// item is an entry, or that this member leads now.
type item struct {
	entry   record.Entry
	leading *cluster.Epoch
}

// RecorderOptions are where entries go; nil: not there.
type RecorderOptions struct {
	Flight  *Flight
	Tracing *Tracing
	// Observe is told of each phase that has ended.
	Observe func(record.Entry)
	// Leading keeps in which epoch this member leads.
	Leading func(cluster.Epoch) error
	Logger  *slog.Logger
}

// NewRecorder starts one; Close ends it.
func NewRecorder(o RecorderOptions) *Recorder {
	r := &Recorder{o: o, queue: make(chan item, recorderQueue), done: make(chan struct{})}
	go r.run()
	return r
}

// Record takes an entry over, or drops it if there is no room.
func (r *Recorder) Record(e record.Entry) { r.put(item{entry: e}) }

// Leading notes a leadership, 0: its end.
func (r *Recorder) Leading(epoch cluster.Epoch) { r.put(item{leading: &epoch}) }

func (r *Recorder) put(i item) {
	select {
	case r.queue <- i:
	default:
		r.dropped.Add(1)
	}
}

// Dropped counts what there was no room for.
func (r *Recorder) Dropped() int64 { return r.dropped.Load() }

func (r *Recorder) run() {
	defer close(r.done)
	failing := false
	for i := range r.queue {
		if i.entry.Phase == "" && i.leading == nil {
			return // Close
		}
		err := r.keep(i)
		if err != nil && !failing {
			r.o.Logger.Warn("the record of failovers is not kept", "err", err)
		}
		failing = err != nil
	}
}

func (r *Recorder) keep(i item) error {
	if i.leading != nil {
		if r.o.Leading == nil {
			return nil
		}
		return r.o.Leading(*i.leading)
	}
	e := i.entry
	if !e.End.IsZero() {
		if r.o.Tracing != nil {
			r.o.Tracing.Export(e)
		}
		if r.o.Observe != nil {
			r.o.Observe(e)
		}
	}
	if r.o.Flight == nil {
		return nil
	}
	return r.o.Flight.Add(e)
}

// Close writes what waits, until ctx ends. Nothing may be recorded after it.
func (r *Recorder) Close(ctx context.Context) {
	r.once.Do(func() {
		select {
		case r.queue <- item{}:
		case <-ctx.Done():
		}
	})
	select {
	case <-r.done:
	case <-ctx.Done():
	}
}
