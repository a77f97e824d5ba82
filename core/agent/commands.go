package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// The reasons for which an operator's request is refused.
var (
	ErrBusy     = errors.New("already in progress")
	ErrNoLeader = errors.New("cluster has no leader, can not reinitialize")
	// ErrStillStarting means that the server did not accept connections in
	// time and goes on trying.
	ErrStillStarting = errors.New("postgres is still starting")
	ErrIsLeader      = errors.New("this node is the leader, can not reinitialize")
)

// request is an operator's wish that waits for its turn in the loop.
type request struct {
	timeout time.Duration
	// fromLeader is of a fresh copy: not from a standby.
	fromLeader bool
	done       chan error // buffered
}

// answer ends the request; a nil request is nobody's.
func (r *request) answer(err error) {
	if r != nil {
		r.done <- err
	}
}

var (
	errNotRunning = errors.New("PostgreSQL is not running")
	errStopping   = errors.New("the agent is being stopped")
)

// refuseRestartOfNothing answers a restart that waited for other work, which
// left PostgreSQL down.
func (a *Agent) refuseRestartOfNothing() {
	if s := &a.s; s.job == nil && !s.instance.Running && s.restart != nil {
		s.restart.answer(errNotRunning)
		s.restart = nil
	}
}

// answerAll ends the requests that wait.
func (a *Agent) answerAll(err error) {
	for _, r := range []*request{a.s.restart, a.s.reinit} {
		r.answer(err)
	}
	a.s.restart, a.s.reinit = nil, nil
}

// do runs c in the loop. It returns ctx's error if the loop does not take it.
func (a *Agent) do(ctx context.Context, c command) error {
	select {
	case a.commands <- c:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("hand the request to the loop: %w", ctx.Err())
	}
}

// Restart restarts PostgreSQL and returns when it accepts connections again,
// or why it does not. When ctx ends first the restart goes on.
func (a *Agent) Restart(ctx context.Context, timeout time.Duration) error {
	r := &request{timeout: timeout, done: make(chan error, 1)}
	err := a.do(ctx, func(s *state) {
		if !s.instance.Running && s.job == nil {
			r.done <- errNotRunning
			return
		}
		if (s.job != nil && !s.job.quick) || s.restart != nil {
			r.done <- a.busy()
			return
		}
		s.restart = r
	})
	if err != nil {
		return err
	}
	return wait(ctx, r.done)
}

// Reinitialize replaces the data directory by a fresh copy, of the leader or,
// unless fromLeader is set, of a standby that offers itself. It returns when
// the work has been accepted.
func (a *Agent) Reinitialize(ctx context.Context, force, fromLeader bool) error {
	accepted := make(chan error, 1)
	err := a.do(ctx, func(s *state) {
		switch {
		case s.cluster.LeaderName() == "":
			accepted <- ErrNoLeader
		case s.cluster.LeaderName() == a.o.Name:
			accepted <- ErrIsLeader
		case s.job != nil && !s.job.quick && !force:
			accepted <- a.busy()
		default:
			if s.job != nil {
				s.job.cancel()
			}
			s.reinit, s.backoff = &request{fromLeader: fromLeader, done: make(chan error, 1)}, 0
			accepted <- nil
		}
	})
	if err != nil {
		return err
	}
	return wait(ctx, accepted)
}

// busy names the work under way; only the loop may call it.
func (a *Agent) busy() error {
	kind := "restart"
	if a.s.job != nil {
		kind = a.s.job.kind
	}
	return fmt.Errorf("%s %w", kind, ErrBusy)
}

func wait(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Reload takes over new tags and makes PostgreSQL take over its new local
// configuration in the next round.
func (a *Agent) Reload(ctx context.Context, tags cluster.Tags) error {
	return a.do(ctx, func(s *state) {
		s.tags, s.configured = tags, nil
		s.settings, _ = a.o.Settings(s.dynamic)
	})
}

// Readdress publishes other addresses of PostgreSQL in the member key from
// the next round on.
func (a *Agent) Readdress(ctx context.Context, connURL, proxyURL string) error {
	return a.do(ctx, func(*state) { a.o.ConnURL, a.o.ProxyURL = connURL, proxyURL })
}

// LoadCluster reads the store afresh.
func (a *Agent) LoadCluster(ctx context.Context) (*cluster.Cluster, error) {
	a.o.Store.Invalidate()
	return a.o.Store.Load(ctx)
}

// WaitCluster returns the first view that satisfies ok. It returns ctx's
// error and the last view when none does in time.
func (a *Agent) WaitCluster(ctx context.Context, ok func(*cluster.Cluster) bool) (*cluster.Cluster, error) {
	for {
		next := a.views.next()
		c := a.status.Load().Cluster
		if c != nil && ok(c) {
			return c, nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return c, ctx.Err()
		}
	}
}

// freshLimit bounds Fresh: peers that ask for it in a race give up soon.
const freshLimit = 700 * time.Millisecond

// Fresh looks at the local PostgreSQL now and returns the status with it.
func (a *Agent) Fresh(ctx context.Context) *cluster.NodeStatus {
	ctx, cancel := context.WithTimeout(ctx, freshLimit)
	defer cancel()
	st := *a.status.Load()
	i := a.o.Postgres.Observe(ctx)
	i.State, i.PendingRestart, i.PendingReason = st.Instance.State, st.Instance.PendingRestart, st.Instance.PendingReason
	st.Instance = i
	return &st
}

// SetFailover and SetConfig write a request of an operator.
func (a *Agent) SetFailover(ctx context.Context, f cluster.Failover, version int32) error {
	return a.o.Store.SetFailover(ctx, f, version)
}

// SetConfig replaces the dynamic configuration; version is the condition.
func (a *Agent) SetConfig(ctx context.Context, o *cluster.Object, version int32) error {
	return a.o.Store.SetConfig(ctx, o, version)
}

// Peers asks other members how they are.
func (a *Agent) Peers(ctx context.Context, members []cluster.Member) []PeerAnswer {
	return a.o.Peers.Ask(ctx, members)
}
