package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
)

// remoteAgain is the pause before a server outside that could not tell is
// asked again whether the logs have diverged.
const remoteAgain = 2 * time.Second

// aboutRemote completes the view of a standby cluster. The remote's timeline
// is not seen from here: while nothing streams from it, it may have changed,
// and an old verdict does not count.
func (a *Agent) aboutRemote(v *decide.View) {
	s := &a.s
	if s.settings.StandbyCluster == nil {
		return
	}
	v.RemoteSilent = s.remoteAsked != 0 && v.Now.Sub(s.remoteAsked) < remoteAgain
	old := v.Now.Sub(s.verdictAt) >= s.settings.LoopWait
	if v.Divergence == cluster.DivergenceNone && old && s.instance.Running && s.instance.ReplicationState != "streaming" {
		v.Divergence = cluster.DivergenceUnknown
	}
}

// demoteCluster makes a primary ready to follow the server outside: it stops
// in order, so that nothing is written any more and the standbys have all of
// it, and archives the rest for standbys that read the archive. The lock is
// kept: nobody else could become primary anyway.
func (a *Agent) demoteCluster(ctx context.Context) {
	a.startJob(ctx, "demote cluster", false, func(ctx context.Context, j *job) outcome {
		ctx = context.WithoutCancel(ctx) // a stop that was begun is not cut short
		err := a.o.Postgres.Stop(ctx, cluster.StopFast, true, func(cluster.LSN) { j.closed.Store(true) })
		if err != nil {
			return outcome{err: fmt.Errorf("stop PostgreSQL: %w", err)}
		}
		if err := a.o.Postgres.Archive(ctx); err != nil {
			a.log.Warn("the end of the log is not archived", "err", err)
		}
		return outcome{apply: func(s *state) { s.verdictOf, s.remoteAsked = leadership{}, 0 }}
	})
	a.s.job.stopping = true
}

// stepDown gives the lock of a standby cluster to another member. PostgreSQL
// stays as it is: it is in recovery.
func (a *Agent) stepDown(ctx context.Context) {
	status := a.lastStatus()
	status.Optime = max(status.Optime, a.s.instance.Position())
	ctx, cancel := context.WithTimeout(ctx, releaseLimit)
	defer cancel()
	if err := a.o.Store.Release(ctx, status); err != nil {
		a.log.Error("release leader lock", "err", err)
	}
	a.s.won = false
	a.Wake()
}

// bootstrapStandby makes a standby cluster: a copy of the server outside, or of
// what its archive has, by the methods of standby_cluster. A
// failure is tried again, since it is most likely there.
func (a *Agent) bootstrapStandby(ctx context.Context, v *decide.View) outcome {
	if err := a.makeStandbyCluster(ctx, v); err != nil {
		kept := unanswered(err)
		err = fmt.Errorf("failed to bootstrap standby cluster: %w", errors.Join(err, a.giveUpBootstrap(ctx, err)))
		return outcome{err: err, apply: func(s *state) { s.interrupted = s.interrupted || kept }}
	}
	return outcome{err: a.o.Bootstrapping(false)}
}

func (a *Agent) makeStandbyCluster(ctx context.Context, v *decide.View) error {
	up := v.Settings.StandbyCluster.Upstream()
	if err := a.o.Postgres.Clone(ctx, *up); err != nil {
		return err
	}
	won, err := a.o.Store.Acquire(ctx, v.Cluster)
	if err != nil {
		return fmt.Errorf("acquire leader lock: %w", err)
	}
	if !won {
		return errors.New("acquire leader lock: another member holds it")
	}
	if err := a.o.Postgres.Start(ctx, StartOptions{Standby: true, Upstream: up, Timeout: startLimit}); err != nil {
		return err
	}
	return a.completeBootstrap(ctx, v)
}
