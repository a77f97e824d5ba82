package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
)

// startLimit bounds the start of a standby; recovery of much log takes long,
// and the server goes on recovering when it has passed.
const startLimit = time.Minute

func (a *Agent) startPrimary(ctx context.Context) {
	limit := a.s.settings.PrimaryStartTimeout
	if limit <= 0 {
		limit = startLimit
	}
	a.startJob(ctx, "start primary", true, func(ctx context.Context, _ *job) outcome {
		err := a.arm()
		if err == nil {
			err = a.o.Postgres.Start(ctx, StartOptions{Timeout: limit})
		}
		return outcome{err: err, apply: func(s *state) { s.startFailed = err != nil }}
	})
}

func (a *Agent) startStandby(ctx context.Context, d decide.Decision) {
	a.startJob(ctx, "start standby", false, func(ctx context.Context, _ *job) outcome {
		err := a.o.Postgres.Start(ctx, StartOptions{Standby: true, Upstream: d.Upstream, Timeout: startLimit})
		return outcome{err: err, apply: func(s *state) { s.startFailed = err != nil }}
	})
}

// clone copies the upstream; a reclone stops and removes what is there.
func (a *Agent) clone(ctx context.Context, d decide.Decision) {
	asked := a.s.reinit
	a.s.reinit = nil
	about := a.currentLeadership()
	about.pid, about.starting = 0, false
	limit := a.s.settings.RetryTimeout
	a.startJob(ctx, "clone", false, func(ctx context.Context, _ *job) outcome {
		var err error
		if d.Verb == decide.Reclone {
			if !a.leaveSync(ctx, nil) {
				err = errListed
			} else {
				err = a.empty(ctx, limit)
			}
		}
		if err == nil {
			err = a.o.Postgres.Clone(ctx, *d.Upstream)
		}
		return outcome{err: err, apply: func(s *state) {
			asked.answer(err)
			if err == nil { // a fresh copy cannot have diverged
				s.verdict, s.verdictReason, s.verdictOf, s.rewindTries = cluster.DivergenceNone, "fresh copy", about, 0
			}
		}}
	})
	a.s.job.stopping = d.Verb == decide.Reclone
	a.s.job.state = cluster.StateCreatingReplica
}

// empty stops PostgreSQL at once and removes its data; limit bounds the stop.
func (a *Agent) empty(ctx context.Context, limit time.Duration) error {
	stop, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := a.o.Postgres.Stop(stop, cluster.StopImmediate, false, nil); err != nil {
		return fmt.Errorf("stop before the copy: %w", err)
	}
	return a.o.Postgres.RemoveData()
}

func (a *Agent) checkDivergence(ctx context.Context, up cluster.Upstream) {
	about := a.currentLeadership()
	a.startJob(ctx, "check divergence", false, func(ctx context.Context, _ *job) outcome {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		verdict, reason, err := a.o.Postgres.Diverged(ctx, up)
		return outcome{quiet: true, err: err, apply: func(s *state) {
			if verdict == cluster.DivergenceUnknown && up.Remote != nil {
				s.remoteAsked = a.now()
				return
			}
			if err != nil || verdict == cluster.DivergenceUnknown {
				s.backoff = a.now().Add(500 * time.Millisecond)
				s.lastError = "compare with leader: " + reason
				return
			}
			if verdict == cluster.DivergenceFound {
				a.log.Warn("the log has diverged", "leader", up.Name, "reason", reason)
			}
			if about.epoch != s.verdictOf.epoch || about.remote != s.verdictOf.remote {
				s.rewindTries = 0
			}
			s.verdict, s.verdictReason, s.verdictOf, s.verdictAt = verdict, reason, about, a.now()
		}}
	})
}

// rewindTries is after how many failures against one leader pg_rewind counts
// as impossible: the first may be the network's fault.
const rewindTries = 3

func (a *Agent) rewind(ctx context.Context, up cluster.Upstream) {
	about := a.currentLeadership()
	about.pid, about.starting = 0, false
	a.startJob(ctx, "rewind", false, func(ctx context.Context, _ *job) outcome {
		err := a.o.Postgres.Rewind(ctx, up)
		return outcome{err: err, apply: func(s *state) {
			if errors.Is(err, context.Canceled) {
				return
			}
			if err != nil && s.instance.DiskProblem != "" {
				return // says nothing about the data, which may not be removed for it
			}
			s.rewindTries++
			if errors.Is(err, cluster.ErrCannotRewind) {
				s.rewindTries = rewindTries
			}
			if err == nil {
				s.rewindTries = 0
				s.verdict, s.verdictReason, s.verdictOf = cluster.DivergenceNone, "rewound", about
			}
		}}
	})
	a.s.job.stopping = true
}

func (a *Agent) promote(ctx context.Context, v *decide.View) {
	a.keeper.slots.interrupt()
	a.warnOfSlots()
	a.checkpointPending.Store(true)
	limit := max(a.s.settings.PrimaryStartTimeout, startLimit)
	loop := ctx // outlives the job
	a.startJob(ctx, "promote", true, func(ctx context.Context, _ *job) outcome {
		if err := a.prePromote(ctx); err != nil { // takes as long as it takes
			return outcome{err: err, apply: func(s *state) { s.promoteFailed = true; a.checkpointPending.Store(false) }}
		}
		promoting, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		former, err := a.prepareSync(promoting, v)
		if err != nil && !errors.Is(err, errNames) {
			return outcome{err: err, quiet: true, apply: func(*state) { a.checkpointPending.Store(false) }}
		}
		if err == nil {
			err = a.arm()
		}
		if err == nil {
			err = a.o.Postgres.Promote(promoting)
		}
		if err != nil {
			a.restoreSync(ctx, former)
		}
		return outcome{err: err, apply: func(s *state) {
			s.promoteFailed = err != nil
			if err != nil {
				a.checkpointPending.Store(false)
				return
			}
			go a.checkpointAfterPromote(loop)
		}}
	})
}

func (a *Agent) restart(ctx context.Context) {
	asked := a.s.restart
	if a.s.restart = nil; asked == nil {
		asked = a.dueRestart()
	}
	standby := a.s.instance.Standby
	v := a.view()
	up := decide.Target(v)
	limit := asked.timeout
	if limit <= 0 {
		limit = a.s.settings.PrimaryStartTimeout
	}
	paused := a.s.settings.Pause
	a.startJob(ctx, "restart", !standby, func(ctx context.Context, _ *job) outcome {
		a.leaveSync(ctx, nil)
		// A stop that was begun is not cut short by the end of the agent.
		err := a.o.Postgres.Stop(context.WithoutCancel(ctx), cluster.StopFast, true, nil)
		if err == nil && !standby && !paused { // the stop may have taken longer than the lease
			err = a.arm()
		}
		if err == nil {
			err = a.o.Postgres.Start(ctx, StartOptions{Standby: standby, Upstream: up, Timeout: max(limit, time.Second)})
		}
		if err != nil && ctx.Err() == nil && a.o.Postgres.Observe(ctx).Running {
			err = fmt.Errorf("%w: %w", ErrStillStarting, err)
		}
		return outcome{err: err, apply: func(s *state) { s.startFailed = err != nil; asked.answer(err) }}
	})
	a.s.job.state = cluster.StateRestarting
}

// bootstrap makes a new cluster. The lock is taken before PostgreSQL starts,
// so that it is never writable without a lease.
func (a *Agent) bootstrap(ctx context.Context, j *job, v *decide.View) outcome {
	if err := a.o.Bootstrapping(true); err != nil {
		return outcome{err: fmt.Errorf("note the bootstrap: %w", err)}
	}
	won, err := a.o.Store.CreateInitialize(ctx)
	if err != nil || !won {
		if err == nil {
			err = a.o.Bootstrapping(false)
			a.log.Info("another member bootstraps the cluster")
		}
		return outcome{err: err, quiet: err == nil} // a store that refuses at once is not asked without pause
	}
	if v.Settings.StandbyCluster != nil {
		return a.bootstrapStandby(ctx, v)
	}
	if err := a.makeCluster(ctx, j, v); err != nil {
		return outcome{err: fmt.Errorf("failed to bootstrap cluster: %w", errors.Join(err, a.giveUpBootstrap(ctx, err))), fatal: true}
	}
	return outcome{err: a.o.Bootstrapping(false), apply: func(s *state) { s.won = false }}
}

func (a *Agent) makeCluster(ctx context.Context, j *job, v *decide.View) error {
	if err := a.o.Postgres.Initdb(ctx); err != nil {
		return err
	}
	won, err := a.o.Store.Acquire(ctx, v.Cluster)
	if err != nil {
		return fmt.Errorf("acquire leader lock: %w", err)
	}
	if !won {
		return errors.New("acquire leader lock: another member holds it")
	}
	j.primary.Store(true)
	if err := a.arm(); err != nil {
		return err
	}
	a.setWritable(true)
	if err := a.o.Postgres.Start(ctx, StartOptions{Timeout: startLimit}); err != nil {
		return err
	}
	if err := a.o.Postgres.PostBootstrap(ctx); err != nil {
		return err
	}
	return a.completeBootstrap(ctx, v)
}

// completeBootstrap writes the keys of the new cluster.
func (a *Agent) completeBootstrap(ctx context.Context, v *decide.View) error {
	if v.Cluster.Config.Object == nil {
		if err := insist(ctx, func() error { return a.o.Store.SetConfig(ctx, a.o.BootstrapConfig, cluster.AnyVersion) }); err != nil {
			return fmt.Errorf("write dynamic configuration: %w", err)
		}
	}
	id := a.o.Postgres.Observe(ctx).SystemID
	if !cluster.ValidSystemID(id) {
		return fmt.Errorf("system identifier %q of the new cluster is not valid", id)
	}
	if err := insist(ctx, func() error { return a.o.Store.SetInitialize(ctx, id) }); err != nil {
		return fmt.Errorf("write system identifier: %w", err)
	}
	return nil
}

// insistAgain is the pause before a write is repeated.
const insistAgain = 200 * time.Millisecond

// insist repeats a write that does no harm twice until the store has answered
// it: half a cluster in the store is in everybody's way. It ends with ctx,
// which the end of the lease cancels.
func insist(ctx context.Context, write func() error) error {
	for {
		err := write()
		if !unanswered(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(insistAgain):
		}
	}
}

// giveUpBootstrap undoes what failed. Whether a write that had no answer has
// completed the cluster is not known: then the data stay where they are, and
// what the store says when it can be read decides.
func (a *Agent) giveUpBootstrap(ctx context.Context, why error) error {
	if !unanswered(why) {
		return a.undoBootstrap(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err := a.o.Postgres.Stop(ctx, cluster.StopImmediate, false, nil)
	if a.o.Store.Lease().Held() {
		err = errors.Join(err, a.o.Store.Release(ctx, cluster.Status{}))
	}
	return err
}

// unanswered reports that the store may have done what it was asked for.
func unanswered(err error) bool {
	return errors.Is(err, cluster.ErrOutcomeUnknown) || errors.Is(err, cluster.ErrUnreachable)
}

// undoBootstrap leaves the store as if this node had never tried, and the
// data where somebody can look at them.
func (a *Agent) undoBootstrap(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err := a.o.Postgres.Stop(ctx, cluster.StopImmediate, false, nil)
	err = errors.Join(err, a.o.Postgres.MoveDataAside(), insist(ctx, func() error { return a.o.Store.DeleteInitialize(ctx) }))
	if a.o.Store.Lease().Held() {
		err = errors.Join(err, a.o.Store.Release(ctx, cluster.Status{}))
	}
	if err == nil {
		err = a.o.Bootstrapping(false)
	}
	return err
}
