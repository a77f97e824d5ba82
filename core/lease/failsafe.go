package lease

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// Promise is one peer's word not to take the leader lock for a while.
type Promise struct {
	// Sent is when the peer was asked. It counts from its receipt, which
	// cannot be earlier.
	Sent Instant
	// For is how long the word holds, by the peer's clock.
	For time.Duration
}

// Failsafe is the right to stay primary while the store is silent: every
// member that may lead has promised not to. It carries one lease on, and is
// nothing without it. The zero value is no right.
type Failsafe struct {
	// Epoch is of the lease that is carried on.
	Epoch cluster.Epoch
	// Asked is when the round of questions was sent.
	Asked Instant
	// ends is the hard deadline.
	ends    Instant
	timeout time.Duration
}

// NewFailsafe is the right that these promises give together. Without any, as
// in a cluster of one, it ends timeout, which is the ttl, after asked:
//
//	K = min(sent + P*(1 - rho)) - kappa
func NewFailsafe(epoch cluster.Epoch, asked Instant, timeout time.Duration, promises []Promise) Failsafe {
	ends := asked.Add(shortened(timeout))
	for _, p := range promises {
		ends = min(ends, p.Sent.Add(shortened(p.For)))
	}
	return Failsafe{Epoch: epoch, Asked: asked, ends: ends.Add(-killTime), timeout: timeout}
}

// shortened is d by a clock that may run fast by the allowed rate.
func shortened(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 - clockRate))
}

// Hard is the instant at which everything must be dead; 0 without a right.
func (f Failsafe) Hard() Instant {
	if f.Epoch == 0 {
		return 0
	}
	return f.ends
}

// Soft is the instant at which an orderly demotion must start.
func (f Failsafe) Soft() Instant {
	if f.Epoch == 0 {
		return 0
	}
	return f.ends.Add(-StopBudget(f.timeout))
}

// Carries reports whether this right carries that very lease on at now.
func (f Failsafe) Carries(l Lease, now Instant) bool {
	return f.Epoch != 0 && l.Held() && f.Epoch == l.Epoch && now.Before(f.Soft())
}

// Latest is the hard deadline of l, or of f where that carries it on and is
// later; 0 without a lease.
func Latest(l Lease, f Failsafe) Instant {
	if l.Held() && f.Epoch == l.Epoch {
		return max(l.Hard(), f.Hard())
	}
	return l.Hard()
}

// AskAfter is how long after the last proof the peers are asked first: a
// third of the time until the soft deadline, so that the answer is there in
// time; but no sooner than a renewal may be late without meaning anything, as
// far as that leaves half of the time.
func (l Lease) AskAfter() time.Duration {
	until := l.Soft().Sub(l.Sent)
	return max(until/3, min(l.Interval*5/2, until/2))
}

// AskEvery is the pause between two rounds of questions: 2 s, or a fifth of
// the ttl if that is less.
func AskEvery(ttl time.Duration) time.Duration { return min(2*time.Second, ttl/5) }
