package lease

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// Params are what the bound depends on besides the moment of the proof.
type Params struct {
	// Timeout is the granted session timeout, not the one asked for.
	Timeout time.Duration
	// Tick is the ensemble's tickTime.
	Tick time.Duration
	// Interval is the time between two renewals.
	Interval time.Duration
}

// The fixed allowances. They are stated in SECURITY.md as conditions of the
// promise.
const (
	// clockRate is the rate error between this host's clock and the
	// ensemble's, both sides together: 2 %.
	clockRate = 0.02
	// leastGap is counted as the excess gap even when none was seen: a stall
	// of the ZooKeeper leader's ping thread alone cannot be measured.
	leastGap = 200 * time.Millisecond
	// killTime is the worst time from the hard deadline until no backend can
	// run user code any more.
	killTime = 300 * time.Millisecond
)

// Interval is the renewal interval that fits a session timeout and a tick:
// a tenth of the timeout or half a tick, whichever is less, but at least a
// quarter of a second.
func Interval(timeout, tick time.Duration) time.Duration {
	return max(min(timeout/10, tick/2), 250*time.Millisecond)
}

// StopBudget is the time for an orderly stop between the soft and the hard
// deadline: a sixth of the timeout, between 1 and 5 seconds.
func StopBudget(timeout time.Duration) time.Duration {
	return min(max(timeout/6, time.Second), 5*time.Second)
}

// Lease is the right to be primary, as last proven. The zero value is no
// lease.
type Lease struct {
	// Epoch is of the leader znode that this session owns.
	Epoch cluster.Epoch
	// Session is the ZooKeeper session that owns it.
	Session int64
	// Sent is when the newest acknowledged renewal was sent.
	Sent Instant
	// Gap is the longest time between two answers, beyond the interval,
	// within the last tick and interval.
	Gap time.Duration
	Params
}

// Held reports whether there is a lease at all, valid or run out.
func (l Lease) Held() bool { return l.Epoch != 0 && l.Sent != 0 }

// Hard is the instant K at which everything must be dead.
func (l Lease) Hard() Instant {
	if !l.Held() {
		return 0
	}
	relay := l.Tick/2 + l.Interval + max(l.Gap, leastGap)
	usable := time.Duration(float64(l.Timeout-relay) * (1 - clockRate))
	return l.Sent.Add(usable - killTime)
}

// Soft is the instant D at which an orderly demotion must start. It never
// lies before the proof itself.
func (l Lease) Soft() Instant {
	if !l.Held() {
		return 0
	}
	return max(l.Hard().Add(-StopBudget(l.Timeout)), l.Sent)
}

// Valid reports whether this node may act as primary at now.
func (l Lease) Valid(now Instant) bool { return l.Held() && now.Before(l.Soft()) }

// Remaining is the time until the soft deadline; negative when it has
// passed, 0 without a lease.
func (l Lease) Remaining(now Instant) time.Duration {
	if !l.Held() {
		return 0
	}
	return l.Soft().Sub(now)
}
