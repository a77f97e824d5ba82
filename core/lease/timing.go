package lease

import "time"

// commitTime is the ZooKeeper commit latency, an election included, that a
// lease should be able to ride out.
const commitTime = 500 * time.Millisecond

// promoteTime is what a standby needs from the free lock until it accepts
// writes, generously.
const promoteTime = time.Second

// Timing is what a session timeout means for a cluster.
type Timing struct {
	// Demote and Kill are the soft and the hard deadline after the last proof.
	Demote, Kill time.Duration
	// Outage of ZooKeeper that a primary survives without any consequence.
	Outage time.Duration
	// Failover is the worst time without a primary after the loss of a whole
	// host: nobody can know earlier that it is gone.
	Failover time.Duration
	// TooShort means that the timeout leaves no room to ride out an ordinary
	// hiccup of the ensemble: the primary would demote for nothing.
	TooShort bool
}

// TimingOf derives the figures from p; see the package comment.
func TimingOf(p Params) Timing {
	l := Lease{Epoch: 1, Sent: 1, Params: p}
	t := Timing{Demote: l.Soft().Sub(l.Sent), Kill: l.Hard().Sub(l.Sent), Failover: p.Timeout + p.Tick + promoteTime}
	t.Outage = max(t.Demote-p.Interval, 0)
	t.TooShort = t.Outage < commitTime
	return t
}
