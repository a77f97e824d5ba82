package agent

import (
	"context"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// Pinger asks the running PostgreSQL for nothing. core/postgres implements
// it.
type Pinger interface {
	// Ping reports false if there was no answer at all, within about 1.3 s.
	Ping(ctx context.Context) bool
	Close()
}

// pingEvery is how often a PostgreSQL that answers is asked. With the limit
// of a ping it makes a hang visible within two seconds; the loop's own look
// comes every two seconds and may take two.
const pingEvery = 500 * time.Millisecond

// noticeHang shows a PostgreSQL that hangs in the published status, and has
// the loop look for itself. It decides nothing.
func (a *Agent) noticeHang(ctx context.Context) {
	if a.o.Pinger == nil {
		return
	}
	defer a.o.Pinger.Close()
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if i := a.status.Load().Instance; !i.Ready || i.State != cluster.StateRunning {
			continue // asked by the loop; a stop or start takes its time
		}
		if !a.o.Pinger.Ping(ctx) && ctx.Err() == nil {
			a.showHang()
		}
	}
}

// showHang publishes the last status with a PostgreSQL that does not answer.
func (a *Agent) showHang() {
	for {
		last := a.status.Load()
		if i := last.Instance; !i.Ready || i.State != cluster.StateRunning {
			return // known by now
		}
		next := *last
		next.Instance.Ready, next.Instance.Err = false, "it does not answer"
		if a.status.CompareAndSwap(last, &next) {
			a.log.Warn("PostgreSQL does not answer")
			a.views.signal()
			a.Wake()
			return
		}
	}
}
