package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/cluster"
)

var _ agent.Postgres = (*pgPort)(nil)

// pgPort is the PostgreSQL of a node as one agent process uses it.
type pgPort struct {
	p  *process
	pg *postgres
}

// do runs f with w.mu held, for a process that is neither frozen nor dead.
func (o *pgPort) do(f func()) error {
	if !o.p.gate() {
		return errDead
	}
	o.pg.w.locked(f)
	return nil
}

// takes lets virtual time pass; it ends early with ctx or the process.
func (o *pgPort) takes(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-o.p.died:
	}
	if !o.p.gate() {
		return errDead
	}
	return ctx.Err()
}

// draw is a duration by the server's dice.
func (o *pgPort) draw(lo, hi time.Duration) (d time.Duration) {
	o.pg.w.locked(func() { d = o.pg.dice.between(lo, hi) })
	return d
}

func (o *pgPort) Observe(context.Context) (in cluster.Instance) {
	_ = o.do(func() { in = o.pg.observe() })
	return in
}

func (o *pgPort) Events() <-chan struct{} { return o.pg.events }

func (o *pgPort) Initdb(ctx context.Context) error {
	if err := o.do(func() { o.pg.state = cluster.StateInitializing }); err != nil {
		return err
	}
	err := o.takes(ctx, o.draw(500*time.Millisecond, 3*time.Second))
	o.pg.w.locked(func() {
		o.pg.state = cluster.StateStopped
		if err == nil {
			o.pg.initdb()
		}
	})
	return err
}

// initdb makes a new cluster's files.
func (pg *postgres) initdb() {
	b := &branch{timeline: 1, writer: pg.n, end: 0x1000000}
	pg.empty, pg.systemID, pg.at, pg.signal = false, systemID(pg.w.setup.Seed), place{b, b.end}, false
	pg.control, pg.checkpointed, pg.checkpoint, pg.consistent = shutDown, 1, b.end-120, 0
	pg.hints = false
}

func (o *pgPort) PostBootstrap(ctx context.Context) error {
	return o.takes(ctx, o.draw(50*time.Millisecond, 500*time.Millisecond))
}

func (o *pgPort) Start(ctx context.Context, s agent.StartOptions) error {
	limit := s.Timeout
	if limit <= 0 {
		limit = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := o.takes(ctx, o.draw(5*time.Millisecond, 30*time.Millisecond)); err != nil {
		return err
	}
	var ended chan struct{}
	var err error
	if dead := o.do(func() {
		pg := o.pg
		switch {
		case pg.empty:
			err = errors.New("data directory is empty")
		case !pg.running:
			pg.launch(s.Standby, s.Upstream)
		case s.Standby && !pg.recovering:
			err = errors.New("it runs already, as a primary")
		}
		ended = pg.ended
	}); dead != nil || err != nil {
		return errors.Join(dead, err)
	}
	for {
		var ready bool
		o.pg.w.locked(func() { ready = o.pg.ready && o.pg.ended == ended })
		if ready {
			return nil
		}
		select {
		case <-ended:
			return errors.New("the server ended while it started")
		default:
		}
		if err := o.takes(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("start PostgreSQL: %w", err)
		}
	}
}

func (o *pgPort) Stop(ctx context.Context, mode cluster.StopMode, checkpoint bool, onShutdown func(cluster.LSN)) error {
	if checkpoint && mode == cluster.StopFast {
		_ = o.Checkpoint(ctx) // only makes it shorter
	}
	var ended chan struct{}
	if err := o.do(func() {
		pg := o.pg
		ended = pg.ended
		switch {
		case !pg.running:
			if pg.orphans {
				pg.killAll()
			}
			if pg.state == cluster.StateCrashed {
				pg.state = cluster.StateStopped
			}
			ended = nil
		case mode == cluster.StopImmediate && !pg.faults.hangStop:
			pg.end(cluster.StateStopped)
		case !pg.stopping && !pg.hung:
			pg.stop(onShutdown)
		}
	}); err != nil || ended == nil {
		return err
	}
	select {
	case <-ended:
		// Whoever outlived the postmaster is killed before it returns.
		return o.do(func() {
			if o.pg.orphans {
				o.pg.killAll()
				o.pg.state = cluster.StateStopped
			}
		})
	case <-o.p.died:
		return errDead
	case <-ctx.Done():
	}
	_ = o.do(func() {
		if o.pg.running && o.pg.ended == ended {
			o.pg.killAll()
			o.pg.state = cluster.StateStopped
		}
	})
	return fmt.Errorf("stop PostgreSQL: %w", ctx.Err())
}

func (o *pgPort) Kill() error { return o.do(o.pg.killAll) }

func (o *pgPort) Promote(ctx context.Context) error {
	var ended chan struct{}
	var err error
	if dead := o.do(func() {
		pg := o.pg
		ended = pg.ended
		switch {
		case !pg.running:
			err = errors.New("it does not run")
		case pg.faults.failPromote:
			pg.faults.failPromote = false
			err = errors.New("it could not be promoted")
		case pg.recovering && !pg.promoting:
			pg.promoting = true
			takes := pg.dice.between(60*time.Millisecond, 600*time.Millisecond)
			if pg.faults.hangPromote {
				pg.faults.hangPromote = false
				takes = pg.dice.between(5*time.Second, 70*time.Second)
			}
			pg.later(takes, func() {
				if pg.recovering && pg.promoting {
					pg.promoted()
				}
			})
		}
	}); dead != nil || err != nil {
		return errors.Join(dead, err)
	}
	for {
		var done bool
		o.pg.w.locked(func() { done = o.pg.primary() && o.pg.ended == ended })
		if done {
			return nil
		}
		select {
		case <-ended:
			return errors.New("the server ended while it was promoted")
		default:
		}
		if err := o.takes(ctx, 20*time.Millisecond); err != nil {
			_ = o.do(func() { o.pg.promoting = false }) // a request that nobody took is removed
			return fmt.Errorf("promote PostgreSQL: %w", err)
		}
	}
}

func (o *pgPort) Follow(ctx context.Context, up *cluster.Upstream) error {
	if err := o.takes(ctx, o.draw(5*time.Millisecond, 50*time.Millisecond)); err != nil {
		return err
	}
	var err error
	if dead := o.do(func() {
		pg := o.pg
		if !pg.running || !pg.recovering {
			err = errors.New("no running standby")
			return
		}
		pg.following, pg.known = up, true
		if pg.stream != nil && pg.upstream() != pg.stream.from {
			pg.breakStream()
		}
		pg.retryStream(pg.dice.between(20*time.Millisecond, 300*time.Millisecond))
	}); dead != nil {
		return dead
	}
	return err
}

func (o *pgPort) Wants(up *cluster.Upstream) bool {
	o.pg.w.mu.Lock()
	defer o.pg.w.mu.Unlock()
	pg := o.pg
	if !pg.known || (up == nil) != (pg.following == nil) {
		return true
	}
	return up != nil && up.Host != pg.following.Host
}

func (o *pgPort) Checkpoint(ctx context.Context) error {
	if err := o.takes(ctx, o.draw(20*time.Millisecond, 400*time.Millisecond)); err != nil {
		return err
	}
	var err error
	if dead := o.do(func() {
		if !o.pg.running || !o.pg.ready {
			err = errors.New("no connection")
			return
		}
		o.pg.checkpointed, o.pg.checkpoint = o.pg.at.branch.timeline, o.pg.at.lsn
	}); dead != nil {
		return dead
	}
	return err
}

// Archive does nothing: there is no archive.
func (o *pgPort) Archive(context.Context) error { return nil }

func (o *pgPort) TimelineHistory(context.Context) (h cluster.History, err error) {
	err = o.do(func() { h = o.pg.at.history() })
	return h, err
}

func (o *pgPort) Configure(ctx context.Context, _ *cluster.Object) error {
	return o.takes(ctx, o.draw(5*time.Millisecond, 30*time.Millisecond))
}
