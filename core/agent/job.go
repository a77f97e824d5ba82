package agent

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// job is the long work under way.
type job struct {
	kind   string
	since  lease.Instant
	cancel context.CancelFunc
	// primary means that the work makes, or keeps, PostgreSQL writable.
	primary atomic.Bool
	// stopping means that the work takes PostgreSQL down as it is.
	stopping bool
	// quick work is over in a moment: operators' requests wait for it instead
	// of being refused.
	quick bool
	// closed is set once the shutdown checkpoint is written: nothing can be
	// written here any more, whatever processes are left.
	closed atomic.Bool
	// pen notes the work in the record; nil: it is not noted.
	pen *pen
	// state is shown in the member key meanwhile; "" for what PostgreSQL does.
	state cluster.State
}

// quickJobs are the kinds of work that end by themselves within seconds.
var quickJobs = map[string]bool{"reload": true, "follow": true, "check divergence": true}

// stoppingJobs are the kinds of work that leave PostgreSQL down for the next
// step, which is due also if the cluster is paused meanwhile.
var stoppingJobs = map[string]bool{"hand-over": true, "demote": true, "demote cluster": true, "rewind": true, "clone": true}

// relaunching are the kinds of work that stop and start PostgreSQL and see to
// the end of the old postmaster's children themselves.
var relaunching = map[string]bool{"restart": true, "follow": true, "copy slots": true}

// replaces reports that a postmaster which vanishes now is stopped by this
// work. Whoever killed then could meet the next postmaster.
func (j *job) replaces() bool { return j != nil && (j.stopping || relaunching[j.kind]) }

// outcome is what a job hands back to the loop.
type outcome struct {
	err error
	// apply changes the state, in the loop.
	apply func(*state)
	// fatal ends the agent with err.
	fatal bool
	// quiet work is logged at debug when it goes well, and its failure does
	// not delay other work.
	quiet bool
}

// startJob runs work beside the loop. There must be no other job.
func (a *Agent) startJob(ctx context.Context, kind string, primary bool, work func(context.Context, *job) outcome) {
	ctx, cancel := context.WithCancel(ctx)
	j := &job{kind: kind, since: a.now(), cancel: cancel}
	j.primary.Store(primary)
	j.pen = a.story.job(kind)
	ctx = a.story.withSpan(ctx, j.pen)
	a.s.job = j
	if primary {
		a.setWritable(true)
	}
	j.quick = quickJobs[kind]
	a.s.unfinished = a.s.unfinished || stoppingJobs[kind]
	done := a.s.jobDone
	go func() {
		defer cancel()
		done <- work(ctx, j) // buffered: one job, one outcome
	}()
}

// finish takes a job's outcome in.
func (a *Agent) finish(out outcome) {
	s := &a.s
	j := s.job
	s.job = nil
	took := a.now().Sub(j.since).Round(time.Millisecond)
	a.story.jobDone(j, out.err)
	if out.apply != nil {
		out.apply(s)
	}
	if out.fatal {
		s.fatal = out.err
	}
	switch {
	case out.err == nil && out.quiet:
		a.log.Debug("job done", "job", j.kind, "took", took)
	case out.err == nil:
		a.log.Info("job done", "job", j.kind, "took", took)
		s.failures, s.backoff, s.lastError = 0, 0, ""
	case errors.Is(out.err, context.Canceled):
		a.log.Warn("job cancelled", "job", j.kind, "took", took)
	default:
		a.log.Error("job failed", "job", j.kind, "took", took, "err", out.err)
		if !out.quiet {
			s.failures++
			s.lastError = j.kind + ": " + out.err.Error()
			s.backoff = a.now().Add(backoffAfter(s.failures))
		}
	}
}

// backoffAfter grows from one second to half a minute.
func backoffAfter(failures int) time.Duration {
	return min(time.Second<<min(failures-1, 5), 30*time.Second)
}
