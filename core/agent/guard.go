package agent

import (
	"context"
	"time"

	"github.com/pgregent/pgregent/core/lease"
)

const (
	// guardEvery is how often the guard compares the clock with the hard
	// deadline. It is part of the time that lease.Lease.Hard leaves for
	// killing.
	guardEvery = 200 * time.Millisecond
	// killAgain is the pause before a server that is still believed writable
	// is killed once more: the loop needs a moment to see that it is dead.
	killAgain = time.Second
)

// guard kills PostgreSQL at the hard deadline of the lease. It shares nothing
// with the loop but atomics, so that a slow loop cannot hold it up.
func (a *Agent) guard(ctx context.Context) {
	var g guardState
	tick := time.NewTicker(guardEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !a.writable.Load() { // so nothing is due, and g is as new
			g.rest()
			if !a.awaitWritable(ctx) {
				return
			}
			select {
			case <-tick.C: // it was due meanwhile
			default:
			}
			continue
		}
		now := a.now()
		if !g.due(now, a.o.Store.Lease(), a.failsafe.right(), a.writable.Load() && !a.paused.Load()) {
			continue
		}
		err := a.o.Postgres.Kill() // before any word: the log may be stuck
		a.counters.guardKills.Add(1)
		go a.story.killed("the lease was over and PostgreSQL might still accept writes")
		if err != nil {
			a.log.Error("the lease is over; kill PostgreSQL", "err", err)
			continue
		}
		a.log.Error("the lease was over and PostgreSQL might still accept writes: it was killed")
		g.notBefore = now.Add(killAgain)
		a.Wake()
	}
}

// setWritable notes whether PostgreSQL may accept writes, and wakes the guard
// and, when that is new, the feeder.
func (a *Agent) setWritable(may bool) {
	if was := a.writable.Swap(may); may {
		signal(a.onGuard)
		if !was {
			signal(a.feeder.wanted)
		}
	}
}

// signal wakes who waits for ch, which has one place, unless it has not even
// seen the last signal.
func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// awaitWritable returns once PostgreSQL may accept writes, or may have for a
// moment; it reports false when ctx has ended.
func (a *Agent) awaitWritable(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-a.onGuard:
		return true
	}
}

// guardState is what the guard remembers from tick to tick.
type guardState struct {
	hard      lease.Instant // 0: nothing to guard
	held      bool          // the lease, at the last tick
	notBefore lease.Instant
}

// due reports whether PostgreSQL must be killed now. writable says that it
// may accept writes, f what may carry the lease on.
func (g *guardState) due(now lease.Instant, l lease.Lease, f lease.Failsafe, writable bool) bool {
	switch {
	case !writable:
		g.rest()
		return false
	case l.Held():
		g.hard, g.held = lease.Latest(l, f), true
	case g.held: // the znode is gone: an orderly stop's time is left at most
		g.hard, g.held = min(g.hard, now.Add(lease.StopBudget(0))), false
	}
	return g.hard != 0 && now >= g.hard && now >= g.notBefore
}

// rest is for when there is nothing to guard.
func (g *guardState) rest() { g.hard, g.held = 0, false }
