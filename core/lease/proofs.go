package lease

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// Proofs is one leadership of a session and what proves it. Its user guards it
// against concurrent calls.
type Proofs struct {
	Epoch   cluster.Epoch
	Session int64
	// Lease is what has been proven; not held before the first proof.
	Lease Lease
	// answers are when proofs were answered, ascending, back to a tick and an
	// interval before the newest and one further.
	answers []Instant
}

// Prove takes a committed write over that was sent and answered at these
// instants. It reports whether the answer came after an excess gap of more
// than one interval.
//
// Under one session timeout a bound that was proven stays true, so of the old
// and the new lease the one that lasts longer counts: after a gap the new one
// may be the shorter. A bound of a longer timeout than the present one is no
// longer true.
func (o *Proofs) Prove(sent, answered Instant, p Params) (afterGap bool) {
	first := len(o.answers) == 0
	if first {
		// A session that did not lead has only sent pings, every third of its
		// timeout, so the touch that counts may be that old.
		o.answers = append(o.answers, sent.Add(-p.Timeout/3))
	}
	last := o.answers[len(o.answers)-1]
	if last.Before(answered) {
		o.answers = append(o.answers, answered)
		afterGap = !first && answered.Sub(last) > 2*p.Interval
	}
	o.prune(p)
	next := Lease{Epoch: o.Epoch, Session: o.Session, Sent: sent, Gap: o.gap(p.Interval), Params: p}
	if !o.Lease.Held() || p.Timeout < o.Lease.Timeout || o.Lease.Hard().Before(next.Hard()) {
		o.Lease = next
	}
	return afterGap
}

// Granted takes the session timeout of a handshake over. A shorter one counts
// at once, for what was proven before too.
func (o *Proofs) Granted(timeout time.Duration) {
	o.Lease.Timeout = min(o.Lease.Timeout, timeout)
}

// Reattached begins the history of answers anew: attaching to a server
// touches the session at the ZooKeeper leader, so silence from before does
// not count any more. begun is from before the handshake.
func (o *Proofs) Reattached(begun Instant) {
	o.answers = append(o.answers[:0:0], begun)
}

// prune forgets answers that are out of the window; the newest of them stays,
// as the begin of the first gap inside.
func (o *Proofs) prune(p Params) {
	begin := o.answers[len(o.answers)-1].Add(-p.Tick - p.Interval)
	for len(o.answers) > 1 && o.answers[1].Before(begin) {
		o.answers = o.answers[1:]
	}
}

// gap is the longest time between two answers beyond the interval.
func (o *Proofs) gap(interval time.Duration) time.Duration {
	var longest time.Duration
	for i := 1; i < len(o.answers); i++ {
		longest = max(longest, o.answers[i].Sub(o.answers[i-1])-interval)
	}
	return longest
}
