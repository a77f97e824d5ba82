package zkdcs

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// ownership is one leadership of this session and what proves it. It is
// guarded by Store.mu.
type ownership struct {
	epoch cluster.Epoch
	// answers are when proofs were answered, ascending, back to a tick and an
	// interval before the newest and one further.
	answers []lease.Instant
	held    lease.Lease
}

// prove takes a committed write over that was sent and answered at these
// instants. It reports whether the answer came after an excess gap of more
// than one interval.
//
// A bound that was proven stays true, so of the old and the new lease the
// one that lasts longer counts: after a gap the new one may be the shorter.
func (o *ownership) prove(sent, answered lease.Instant, p lease.Params) (afterGap bool) {
	if len(o.answers) == 0 {
		// The gap before the first answer is not known; the wait for it is a
		// part of it.
		o.answers = append(o.answers, sent)
	}
	last := o.answers[len(o.answers)-1]
	if last.Before(answered) {
		o.answers = append(o.answers, answered)
		afterGap = answered.Sub(last) > 2*p.Interval
	}
	o.prune(p)
	next := lease.Lease{Epoch: o.epoch, Sent: sent, Gap: o.gap(p.Interval), Params: p}
	if !o.held.Held() || o.held.Hard().Before(next.Hard()) {
		o.held = next
	}
	return afterGap
}

// reattached begins the history of answers anew: attaching to a server
// touches the session at the ZooKeeper leader, so silence from before does
// not count any more. begun is from before the handshake.
func (o *ownership) reattached(begun lease.Instant) {
	o.answers = append(o.answers[:0:0], begun)
}

// prune forgets answers that are out of the window; the newest of them stays,
// as the begin of the first gap inside.
func (o *ownership) prune(p lease.Params) {
	begin := o.answers[len(o.answers)-1].Add(-p.Tick - p.Interval)
	for len(o.answers) > 1 && o.answers[1].Before(begin) {
		o.answers = o.answers[1:]
	}
}

// gap is the longest time between two answers beyond the interval.
func (o *ownership) gap(interval time.Duration) time.Duration {
	var longest time.Duration
	for i := 1; i < len(o.answers); i++ {
		longest = max(longest, o.answers[i].Sub(o.answers[i-1])-interval)
	}
	return longest
}
