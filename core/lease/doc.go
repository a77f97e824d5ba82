// Package lease says how long an agent may trust its leader lock.
//
// It is arithmetic on instants of this host's boot-time clock: no goroutines
// and no I/O but reading that clock, safe for concurrent use. A [Lease] is
// proven by answered writes only: a ping, a read or a sync may be answered
// by a server that has lost the quorum. The lease counts from the moment the
// write was sent.
//
// The bound: ZooKeeper does not expire a session before
//
//	s + T - tick/2 - R - g
//
// where s is when an acknowledged write was sent, T the granted session
// timeout, R the interval between writes and g the longest excess gap
// between two answers (a stalled ZooKeeper leader). From that follow the
// hard deadline K, at which nothing on this node may acknowledge a commit
// any more, and the soft deadline D, at which an orderly demotion starts.
package lease
