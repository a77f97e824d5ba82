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
	var none lease.Failsafe
	carried := lease.NewFailsafe(1, hard-1, 10*time.Second, nil)
	type step struct {
		now      lease.Instant
		l        lease.Lease
		writable bool
		want     bool
		f        lease.Failsafe
	}
	for name, steps := range map[string][]step{
		"a valid lease":                       {{start, held, true, false, none}},
		"one moment before the deadline":      {{hard - 1, held, true, false, none}},
		"at the deadline":                     {{hard, held, true, true, none}},
		"at the deadline, not writable":       {{hard, held, false, false, none}},
		"never held":                          {{start, lease.Lease{}, true, false, none}},
		"znode gone: an orderly stop is left": {{start, held, true, false, none}, {start + 1, lease.Lease{}, true, false, none}, {start + 2 + lease.Instant(time.Second), lease.Lease{}, true, true, none}},
		"znode gone just before the deadline": {{hard - 2, held, true, false, none}, {hard - 1, lease.Lease{}, true, false, none}, {hard, lease.Lease{}, true, true, none}},
		"carried on by promises":              {{hard, held, true, false, carried}, {carried.Hard() - 1, held, true, false, carried}, {carried.Hard(), held, true, true, carried}},
		"promises for another epoch":          {{hard, held, true, true, lease.NewFailsafe(2, hard, 10*time.Second, nil)}},
		"promises, then the znode is gone":    {{hard, held, true, false, carried}, {hard + 1, lease.Lease{}, true, false, carried}, {hard + 2 + lease.Instant(time.Second), lease.Lease{}, true, true, lease.Failsafe{}}},
		"stopped in time":                     {{start, held, true, false, none}, {start + 1, lease.Lease{}, true, false, none}, {start + 2, lease.Lease{}, false, false, none}, {hard, lease.Lease{}, true, false, none}},
	} {
		t.Run(name, func(t *testing.T) {
			var g guardState
			for i, s := range steps {
				if got := g.due(s.now, s.l, s.f, s.writable); got != s.want {
					t.Errorf("step %d: kill is %v, want %v", i, got, s.want)
				}
			}
		})
	}
}
