package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/record"
)

// askEvery is how often a candidate is asked, after the shutdown checkpoint,
// whether it has received it. The end of the postmaster tells the same, but
// may take long: it waits for connections that never sent a word, for hung
// standbys and for the archiver.
const askEvery = 20 * time.Millisecond

// handOver stops PostgreSQL in order and releases the lock as soon as the
// shutdown checkpoint is known to be received. candidate may be "".
func (a *Agent) handOver(ctx context.Context, j *job, candidate string) outcome {
	var request cluster.Failover
	if c := a.status.Load().Cluster; c != nil {
		request = c.Failover
	}
	released, err := a.stopAndRelease(ctx, j, candidate)
	if errors.Is(err, errNotReceived) || errors.Is(err, errUncleanStop) {
		a.refuse(ctx, request) // else it would be tried again and again
	}
	return outcome{err: err, apply: func(s *state) {
		if released {
			s.handedOver, s.won = a.now(), false
		}
	}}
}

// refuse blanks a request that could not be carried out.
func (a *Agent) refuse(ctx context.Context, request cluster.Failover) {
	if !request.Exists {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), syncLimit)
	defer cancel()
	a.blankFailover(ctx, request.Version)
}

func (a *Agent) stopAndRelease(ctx context.Context, j *job, candidate string) (released bool, err error) {
	shutdown := make(chan cluster.LSN, 1)
	stopped := make(chan error, 1)
	// A stop that was begun is not cut short: what the WAL senders have not
	// sent yet would be lost. Only the guard and Abort kill.
	ctx, cancel := a.stopLimit(context.WithoutCancel(ctx))
	defer cancel()
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
		j.closed.Store(true)
		j.pen.event("shutdown checkpoint written", "lsn", end.String())
		released, err = a.awaitExit(ctx, stopped, end, candidate)
	}
	if err != nil && ctx.Err() != nil && !released && !a.o.Postgres.Observe(context.WithoutCancel(ctx)).Running {
		a.log.Warn("PostgreSQL did not stop within primary_stop_timeout and was killed; releasing the lock", "err", err)
		err = a.release(ctx, 0)
		return err == nil, err
	}
	if err != nil {
		return released, fmt.Errorf("stop PostgreSQL: %w", err)
	}
	if end == 0 {
		return false, errUncleanStop
	}
	j.closed.Store(true)
	if released {
		return true, nil
	}
	j.pen.event("PostgreSQL is down")
	if !a.receivedAtLast(ctx, end, candidate) {
		if candidate != "" {
			return false, errNotReceived
		}
		return false, a.release(ctx, 0) // not in order: nobody has everything
	}
	err = a.release(ctx, end)
	return err == nil, err
}

// stopLimit bounds an orderly stop by primary_stop_timeout. Only in
// synchronous mode may a stop be cut short: a synchronous standby has all that
// was acknowledged.
func (a *Agent) stopLimit(ctx context.Context) (context.Context, context.CancelFunc) {
	s := a.status.Load().Settings
	if s.PrimaryStopTimeout <= 0 || !s.Synchronous() {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, s.PrimaryStopTimeout, errors.New("primary_stop_timeout"))
}

// errNotReceived means that the candidate of a hand-over stopped receiving on
// the way. The lock stays, and this node comes back as primary.
var errNotReceived = errors.New("no candidate has received the shutdown checkpoint")

// lastAsk bounds the wait for a standby that has been sent everything.
const lastAsk = time.Second

// receivedAtLast reports that somebody has the log up to end, or will never
// have to: there is nobody else.
func (a *Agent) receivedAtLast(ctx context.Context, end cluster.LSN, candidate string) bool {
	ctx, cancel := context.WithTimeout(ctx, lastAsk)
	defer cancel()
	if st := a.status.Load(); st.Cluster == nil || len(st.Cluster.Members) < 2 {
		return true
	}
	ask := time.NewTicker(askEvery)
	defer ask.Stop()
	for !a.received(ctx, end, candidate) {
		select {
		case <-ctx.Done():
			return false
		case <-ask.C:
		}
	}
	return true
}

// errUncleanStop means that PostgreSQL ended without a shutdown checkpoint:
// nobody knows what the standbys have. The lock stays, and the rules for a
// crashed leader decide.
var errUncleanStop = errors.New("PostgreSQL ended without a shutdown checkpoint")

// awaitExit waits for the postmaster to end after its shutdown checkpoint,
// and releases the lock as soon as a candidate has that checkpoint: nothing
// can be written here any more.
func (a *Agent) awaitExit(ctx context.Context, stopped <-chan error, end cluster.LSN, candidate string) (released bool, err error) {
	ask := time.NewTicker(askEvery)
	defer ask.Stop()
	for {
		if !released && a.received(ctx, end, candidate) {
			if err := a.release(ctx, end); err != nil {
				return false, errors.Join(err, <-stopped)
			}
			released = true
		}
		select {
		case err := <-stopped:
			return released, err
		case <-ask.C:
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
		mayLead := candidate == "" && decide.MayTakeOver(st.Settings, st.Cluster, m.Name)
		if m.Name != a.o.Name && (mayLead || m.Name == candidate) {
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

// release gives the lock away. PostgreSQL is down, or past its shutdown
// checkpoint: there is nothing left for the guard to guard.
func (a *Agent) release(ctx context.Context, end cluster.LSN) error {
	a.setWritable(false)
	status := a.status.Load().LastStatus
	if end != 0 {
		status.Optime, status.Released = end, a.o.Store.Lease().Epoch
		if own := cluster.SlotName(a.o.Name); status.Slots[own] != 0 {
			status.Slots = maps.Clone(status.Slots)
			status.Slots[own] = end
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	p := a.story.during(record.Release)
	err := a.o.Store.Release(ctx, status)
	if p.end(err); err != nil {
		return fmt.Errorf("release leader lock: %w", err)
	}
	return nil
}

// shutdown ends this member: a leader hands over, a standby stops. In pause
// PostgreSQL and the lock are left alone.
func (a *Agent) shutdown(ctx context.Context) error {
	defer a.quitFence()
	defer a.stopWatchdog(ctx)
	if j := a.s.job; j != nil {
		if j.kind != "hand-over" && j.kind != "demote" && j.kind != "demote cluster" { // these end by themselves, and soon
			a.log.Info("cancelling work", "job", j.kind)
			j.cancel()
		}
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
	if a.s.instance.Standby {
		a.leaveSync(ctx, func(ctx context.Context) {
			a.observeStore(ctx)
			a.publish(ctx)
		})
	}
	a.log.Info("stopping PostgreSQL")
	defer a.announceStop()
	if a.o.Store.Lease().Held() && a.s.instance.Running {
		p := a.story.stopping()
		_, err := a.stopAndRelease(ctx, &job{pen: p}, "")
		if errors.Is(err, errUncleanStop) { // of a standby that held the lock, or a crash: it ends in any case
			a.log.Warn("releasing the lock", "err", err)
			err = a.release(ctx, 0)
		}
		p.end(err)
		return err
	}
	if err := a.o.Postgres.Stop(ctx, cluster.StopFast, a.s.instance.Primary(), nil); err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	return nil
}
