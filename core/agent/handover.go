package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// slowExit is how long after the shutdown checkpoint the postmaster may take
// to end before the candidates are asked whether they have it already: a
// hung standby or archiver must not hold up the hand-over.
const slowExit = 500 * time.Millisecond

// handOver stops PostgreSQL in order and releases the lock as soon as the
// shutdown checkpoint is known to be received. candidate may be "".
func (a *Agent) handOver(ctx context.Context, candidate string) outcome {
	released, err := a.stopAndRelease(ctx, candidate)
	return outcome{err: err, apply: func(s *state) {
		if released {
			s.handedOver, s.won = lease.Now(), false
		}
	}}
}

func (a *Agent) stopAndRelease(ctx context.Context, candidate string) (released bool, err error) {
	shutdown := make(chan cluster.LSN, 1)
	stopped := make(chan error, 1)
	go func() {
		stopped <- a.o.Postgres.Stop(ctx, cluster.StopFast, true, func(end cluster.LSN) { shutdown <- end })
	}()
	var end cluster.LSN
	select {
	case err = <-stopped:
		select {
		case end = <-shutdown:
		default:
		}
	case end = <-shutdown:
		err, released = a.awaitExit(ctx, stopped, end, candidate)
	}
	if err != nil {
		return released, fmt.Errorf("stop PostgreSQL: %w", err)
	}
	if !released {
		err = a.release(ctx, end)
	}
	return err == nil, err
}

// awaitExit waits for the postmaster to end after its shutdown checkpoint. If
// that takes long it releases the lock as soon as a candidate has the
// checkpoint: nothing can be written here any more.
func (a *Agent) awaitExit(ctx context.Context, stopped <-chan error, end cluster.LSN, candidate string) (err error, released bool) {
	slow := time.NewTimer(slowExit)
	defer slow.Stop()
	for {
		select {
		case err := <-stopped:
			return err, released
		case <-slow.C:
			if released {
				continue
			}
			if a.received(ctx, end, candidate) {
				if err := a.release(ctx, end); err != nil {
					return errors.Join(err, <-stopped), false
				}
				released = true
			}
			slow.Reset(slowExit / 5)
		}
	}
}

// received reports that the candidate, or anybody if none is named, has the
// log up to end.
func (a *Agent) received(ctx context.Context, end cluster.LSN, candidate string) bool {
	st := a.status.Load()
	if st.Cluster == nil {
		return false
	}
	var ask []cluster.Member
	for _, m := range st.Cluster.Members {
		if m.Name != a.o.Name && (candidate == "" || m.Name == candidate) {
			ask = append(ask, m)
		}
	}
	for _, p := range a.o.Peers.Ask(ctx, ask) {
		if p.Reachable && !p.NoFailover && p.Position >= end {
			return true
		}
	}
	return false
}

func (a *Agent) release(ctx context.Context, end cluster.LSN) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := a.o.Store.Release(ctx, cluster.Status{Optime: end}); err != nil {
		return fmt.Errorf("release leader lock: %w", err)
	}
	return nil
}

// shutdown ends this member: a leader hands over, a standby stops. In pause
// PostgreSQL and the lock are left alone.
func (a *Agent) shutdown(ctx context.Context) error {
	if j := a.s.job; j != nil {
		a.log.Info("cancelling work", "job", j.kind)
		j.cancel()
		a.finish(<-a.s.jobDone)
	}
	if a.s.settings.Pause {
		a.log.Info("paused: leaving PostgreSQL as it is")
		return nil
	}
	a.observePostgres(ctx)
	if !a.s.instance.Running && !a.o.Store.Lease().Held() {
		return nil
	}
	a.log.Info("stopping PostgreSQL")
	if a.o.Store.Lease().Held() && a.s.instance.Running {
		_, err := a.stopAndRelease(ctx, "")
		return err
	}
	if err := a.o.Postgres.Stop(ctx, cluster.StopFast, a.s.instance.Primary(), nil); err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	return nil
}
