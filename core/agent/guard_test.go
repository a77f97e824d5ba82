package agent

import (
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/lease"
)

func TestGuard(t *testing.T) {
	const start = lease.Instant(time.Hour)
	held := lease.Lease{Epoch: 1, Sent: start, Params: lease.Params{Timeout: 10 * time.Second, Tick: 2 * time.Second, Interval: time.Second}}
	hard := held.Hard()
	type step struct {
		now      lease.Instant
		l        lease.Lease
		writable bool
		want     bool
	}
	for name, steps := range map[string][]step{
		"a valid lease":                       {{start, held, true, false}},
		"one moment before the deadline":      {{hard - 1, held, true, false}},
		"at the deadline":                     {{hard, held, true, true}},
		"at the deadline, not writable":       {{hard, held, false, false}},
		"never held":                          {{start, lease.Lease{}, true, false}},
		"znode gone: an orderly stop is left": {{start, held, true, false}, {start + 1, lease.Lease{}, true, false}, {start + 2 + lease.Instant(time.Second), lease.Lease{}, true, true}},
		"znode gone just before the deadline": {{hard - 2, held, true, false}, {hard - 1, lease.Lease{}, true, false}, {hard, lease.Lease{}, true, true}},
		"stopped in time":                     {{start, held, true, false}, {start + 1, lease.Lease{}, true, false}, {start + 2, lease.Lease{}, false, false}, {hard, lease.Lease{}, true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			var g guardState
			for i, s := range steps {
				if got := g.due(s.now, s.l, s.writable); got != s.want {
					t.Errorf("step %d: kill is %v, want %v", i, got, s.want)
				}
			}
		})
	}
}
