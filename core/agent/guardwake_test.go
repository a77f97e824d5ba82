package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgregent/pgregent/core/lease"
)

// killedServer is a server of which only the end is of interest.
type killedServer struct {
	Postgres
	killed chan time.Time
}

func (s *killedServer) Kill() error { s.killed <- time.Now(); return nil }

func TestTheGuardWakesWhenPostgreSQLBecomesWritable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		store, pg := &leasedStore{}, &killedServer{killed: make(chan time.Time, 9)}
		a := testAgent(store, nil)
		a.o.Postgres = pg
		a.o.Clock = func() lease.Instant { return lease.Instant(time.Hour + time.Since(begin)) }
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { a.guard(ctx); close(ended) }()
		for round := range 2 { // it goes to sleep again in between
			time.Sleep(10 * time.Minute)
			l := lease.Lease{Epoch: 7, Sent: a.now(), Params: lease.Params{Timeout: 10 * time.Second, Tick: 2 * time.Second, Interval: time.Second}}
			store.set(l)
			a.setWritable(true)
			hard := time.Now().Add(l.Hard().Sub(a.now()))
			select {
			case at := <-pg.killed:
				if late := at.Sub(hard); late < 0 || late > guardEvery {
					t.Errorf("round %d: killed %v after the hard deadline, want at most %v", round, late, guardEvery)
				}
			case <-time.After(time.Minute):
				t.Errorf("round %d: not killed", round)
			}
			a.setWritable(false)
		}
		time.Sleep(10 * time.Minute)
		if len(pg.killed) != 0 {
			t.Error("killed although nothing may be written")
		}
		stop()
		<-ended
	})
}
