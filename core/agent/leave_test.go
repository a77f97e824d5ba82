package agent

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/lease"
)

// leaseOnly is a store of which only the lease is asked.
type leaseOnly struct {
	Store
	l lease.Lease
}

func (s leaseOnly) Lease() lease.Lease { return s.l }

func TestLeavesOnlyWhenNothingIsLost(t *testing.T) {
	const now = lease.Instant(time.Hour)
	held := func(sent lease.Instant) lease.Lease {
		return lease.Lease{Epoch: 1, Sent: sent, Params: lease.Params{Timeout: 10 * time.Second, Tick: 2 * time.Second, Interval: time.Second}}
	}
	over := held(now - lease.Instant(time.Minute))
	type world struct {
		s       state
		l       lease.Lease
		stopped bool
	}
	for name, tt := range map[string]struct {
		w    world
		want bool
	}{
		"nobody asked":                     {world{s: state{joined: true}}, false},
		"a standby at rest":                {world{s: state{joined: true, leave: true}}, true},
		"a leader with a proven lease":     {world{s: state{joined: true, leave: true}, l: held(now)}, true},
		"a leader whose proof ran out":     {world{s: state{joined: true, leave: true}, l: over}, false},
		"work in hand":                     {world{s: state{joined: true, leave: true, job: &job{kind: "clone"}}}, false},
		"an operator waits for a restart":  {world{s: state{joined: true, leave: true, restart: &request{}}}, false},
		"an operator waits for a new copy": {world{s: state{joined: true, leave: true, reinit: &request{}}}, false},
		"the store does not answer":        {world{s: state{joined: true, leave: true, storeErr: "unreachable"}}, false},
		"the store has not answered yet":   {world{s: state{leave: true}}, false},
		"an orderly stop goes first":       {world{s: state{joined: true, leave: true}, stopped: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := &Agent{o: Options{Clock: func() lease.Instant { return now }, Store: leaseOnly{l: tt.w.l}}, log: slog.New(slog.NewTextHandler(io.Discard, nil)), s: tt.w.s}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tt.w.stopped {
				cancel()
			}
			if got := a.leaves(ctx); got != tt.want {
				t.Errorf("leaves is %v, want %v (%s)", got, tt.want, a.s.stays)
			}
		})
	}
}
