package agent

import (
	"context"
	"time"

	"github.com/pgregent/pgregent/core/lease"
)

// guardEvery is how often the guard compares the clock with the hard
// deadline. It is part of the time that lease.Lease.Hard leaves for killing.
const guardEvery = 50 * time.Millisecond

// guard kills PostgreSQL at the hard deadline of the lease. It shares nothing
// with the loop but three atomics, so that a slow loop cannot hold it up.
func (a *Agent) guard(ctx context.Context) {
	var hard lease.Instant // 0: nothing to guard
	held := false
	tick := time.NewTicker(guardEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !a.writable.Load() || a.paused.Load() {
			hard, held = 0, false
			continue
		}
		now, l := lease.Now(), a.o.Store.Lease()
		switch {
		case l.Held():
			hard, held = l.Hard(), true
		case held: // the znode is gone: an orderly stop's time is left at most
			hard, held = min(hard, now.Add(lease.StopBudget(0))), false
		}
		if hard == 0 || now.Before(hard) {
			continue
		}
		a.log.Error("the lease is over and PostgreSQL may still accept writes: killing it")
		if err := a.o.Postgres.Kill(); err != nil {
			a.log.Error("kill PostgreSQL", "err", err)
			continue
		}
		hard = 0
		a.Wake()
	}
}
