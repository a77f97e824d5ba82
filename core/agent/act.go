package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/record"
)

// act carries a decision out: short effects here, long ones as a job.
func (a *Agent) act(ctx context.Context, v *decide.View, d decide.Decision) error {
	if a.s.fatal != nil {
		return fmt.Errorf("%w: %w", ErrFatal, a.s.fatal)
	}
	if claims(d.Verb) {
		if !a.promises.claim(v) {
			a.Wake() // promised since the view was taken: decide anew
			return nil
		}
		defer a.promises.unclaim()
	}
	switch d.Verb {
	case decide.Exit:
		return fmt.Errorf("%w: %s", ErrFatal, d.Reason)
	case decide.Acquire:
		a.acquire(ctx, v, d)
	case decide.Release:
		a.releaseDead(ctx)
	case decide.StepDown:
		a.stepDown(ctx)
	case decide.ClearFailover:
		a.clearFailover(ctx, d)
	case decide.ClearInitialize:
		a.clearInitialize(ctx, d)
	case decide.Unschedule:
		a.log.Warn("scheduled restart dropped", "reason", d.Reason)
		a.s.scheduled = nil
		a.Wake()
	case decide.Abort:
		a.abort()
	case decide.Lead:
		a.keeper.kick(v)
		a.syncer.kick(v, a.s.turnAt)
	case decide.Wait:
		if v.Job == nil && v.Instance.Ready && (v.Instance.Standby || v.Carried()) {
			a.keeper.kick(v)
		}
	default:
		a.actByJob(ctx, v, d)
	}
	return nil
}

// actByJob starts the job for d. A job that is in the way is cancelled and
// the next round decides anew.
func (a *Agent) actByJob(ctx context.Context, v *decide.View, d decide.Decision) {
	if j := a.s.job; j != nil {
		j.cancel()
		return
	}
	switch d.Verb {
	case decide.Bootstrap:
		a.startJob(ctx, "bootstrap", false, func(ctx context.Context, j *job) outcome { return a.bootstrap(ctx, j, v) })
	case decide.UndoBootstrap:
		a.startJob(ctx, "undo bootstrap", false, func(ctx context.Context, _ *job) outcome {
			return outcome{err: a.undoBootstrap(ctx), apply: func(s *state) { s.interrupted = false }}
		})
		a.s.job.stopping = true
	case decide.Clone, decide.Reclone:
		a.clone(ctx, d)
	case decide.StartPrimary:
		a.startPrimary(ctx)
	case decide.StartStandby:
		a.startStandby(ctx, d)
	case decide.Follow:
		a.startJob(ctx, "follow", false, func(ctx context.Context, _ *job) outcome {
			return outcome{err: a.o.Postgres.Follow(ctx, d.Upstream)}
		})
	case decide.CheckDivergence:
		a.checkDivergence(ctx, *d.Upstream)
	case decide.Rewind:
		a.rewind(ctx, *d.Upstream)
	case decide.Promote:
		a.promote(ctx, v)
	case decide.HandOver:
		route := a.route()
		a.startJob(ctx, "hand-over", false, func(ctx context.Context, j *job) outcome {
			a.drainRouters(ctx, route)
			return a.handOver(ctx, j, d.Candidate)
		})
		a.s.job.stopping = true
	case decide.Demote:
		a.demote(ctx, d)
	case decide.DemoteCluster:
		a.demoteCluster(ctx)
	case decide.Restart:
		a.restart(ctx)
	case decide.CopySlots:
		a.copySlots(ctx, v, d)
	}
}

// acquire tries once to take the lock. Losing is no error; an unknown
// outcome is told by the next view.
func (a *Agent) acquire(ctx context.Context, v *decide.View, d decide.Decision) {
	ctx, cancel := context.WithTimeout(ctx, a.s.settings.RetryTimeout)
	defer cancel()
	p := a.story.acquiring(d)
	won, err := a.o.Store.Acquire(ctx, v.Cluster)
	a.story.acquired(p, won, err)
	switch {
	case err != nil:
		a.log.Warn("acquire leader lock", "err", err)
	case won:
		a.s.won = true
		a.ledBy.Store(d.Rule + ": " + d.Reason)
		a.log.Info("acquired the leader lock", "epoch", int64(a.o.Store.Lease().Epoch))
		a.Wake()
	default:
		a.log.Info("another member took the leader lock first")
		a.Wake()
	}
}

// releaseLimit is how long the loop waits for the release; the store goes on
// trying after it.
const releaseLimit = time.Second

// releaseDead gives the lock up for a PostgreSQL that is down. Orphans of a
// crashed postmaster still answer clients: they are killed first.
func (a *Agent) releaseDead(ctx context.Context) {
	if !a.s.settings.Pause {
		if err := a.o.Postgres.Kill(); err != nil {
			a.log.Error("kill what is left of PostgreSQL", "err", err)
			return
		}
	}
	status := a.lastStatus()
	ctx, cancel := context.WithTimeout(ctx, releaseLimit)
	defer cancel()
	p := a.story.during(record.Release)
	err := a.o.Store.Release(ctx, status)
	if p.end(err); err != nil {
		a.log.Error("release leader lock", "err", err)
	}
	a.s.handedOver, a.s.won = a.now(), false
	a.Wake()
}

// clearInitialize opens the bootstrap race again.
func (a *Agent) clearInitialize(ctx context.Context, d decide.Decision) {
	a.log.Warn("removing the initialize key", "reason", d.Reason)
	ctx, cancel := context.WithTimeout(ctx, a.s.settings.RetryTimeout)
	defer cancel()
	if err := a.o.Store.DeleteInitialize(ctx); err != nil {
		a.log.Warn("remove the initialize key", "err", err)
		return // the next regular look tries again; the store may refuse at once
	}
	a.Wake()
}

// clearFailover blanks a request that is refused.
func (a *Agent) clearFailover(ctx context.Context, d decide.Decision) {
	a.log.Warn("manual failover request removed", "reason", d.Reason)
	ctx, cancel := context.WithTimeout(ctx, a.s.settings.RetryTimeout)
	defer cancel()
	if a.blankFailover(ctx, a.s.cluster.Failover.Version) {
		a.Wake()
	} // else the next regular look tries again; the store may refuse at once
}

// blankFailover blanks the request of that version. It reports false, and logs
// why, if the store did not take it; a newer request is left alone.
func (a *Agent) blankFailover(ctx context.Context, version int32) bool {
	err := a.o.Store.SetFailover(ctx, cluster.Failover{}, version)
	if err == nil || errors.Is(err, cluster.ErrConflict) {
		return true
	}
	a.log.Warn("clear failover request", "err", err)
	return false
}

// abort ends work that went on without a lease: PostgreSQL first.
func (a *Agent) abort() {
	if err := a.o.Postgres.Kill(); err != nil {
		a.log.Error("kill PostgreSQL", "err", err)
	}
	if a.s.job != nil {
		a.s.job.cancel()
	}
}

// demote stops PostgreSQL before the hard deadline, whatever it takes.
func (a *Agent) demote(ctx context.Context, d decide.Decision) {
	limit := 5 * time.Second
	if l := a.o.Store.Lease(); l.Held() {
		limit = max(a.hard(l).Sub(a.now()), 0)
	}
	mode := cluster.StopFast
	if d.Immediate {
		mode = cluster.StopImmediate
	}
	a.startJob(ctx, "demote", false, func(ctx context.Context, _ *job) outcome {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return outcome{err: a.o.Postgres.Stop(ctx, mode, false, nil)}
	})
	a.s.job.stopping = true
}
