// Package sim runs whole clusters in virtual time: the real core/decide, the
// real loop of core/agent, the real arithmetic of core/lease and the real
// fence machine, against models of ZooKeeper, PostgreSQL, the network and the
// host.
//
// One [Run] is one seed: the seed draws the size of the cluster, its settings,
// every latency and a schedule of faults. Meanwhile a client writes through
// whatever accepts writes and remembers what was confirmed. The invariants are
// checked at the instant at which they could break, not by looking now and
// then. At the end the faults stop, and the cluster has to recover; then not even
// an answer is lost any more, and it has to stay as it is.
//
// The models are as unfriendly as what they stand for. ZooKeeper: sessions
// that a cut-off server still believes in, touches that are relayed late,
// answers that are lost after the commit, reads from the past, a new ZooKeeper
// leader. PostgreSQL: orphans of a killed postmaster that go on committing,
// stops that hang, promotions that fail, logs that diverge. What they do not
// model: replication slots, an archive, logical decoding, disk space, and
// keys read at slightly different moments.
//
// Operators do wrong as well: they overwrite keys with what nobody can read,
// delete the leader znode, end sessions, and promote standbys by hand. Then two
// servers may accept writes for a while, and what is confirmed by the one
// without the lock does not count. Who takes such a lock must have asked the
// former holder, which may have begun to accept writes just after its answer, or
// whoever has its name by then. A
// standby that was promoted by hand has the newest timeline, so it may win the
// next election, and what was confirmed after it left the others is lost: that
// is excused too. They pause the cluster: from when an agent has read that until
// its fence has a deadline again, nobody stops its server, and what it confirms
// once another has taken the lock does not count. They restore the ensemble to
// an older state, in pause, and resume when the leader has written its keys; if
// nobody leads by then, what the old keys lose until somebody accepts writes
// under the lock is excused. They start a second
// agent of a member's name, with an empty data directory, which can lead nobody.
// Left out: a leader znode that is overwritten; a restore without pause, or from
// a backup that has an unreadable key; a second agent with data.
//
// Two servers that were promoted apart at the same position have the same
// history and the same timeline number. Without synchronous replication the lag
// between their logs cannot be told, and what the one confirmed beyond
// maximum_lag_on_failover may be lost when the other leads: that is excused.
//
// Nobody leads without an operator in three cases, where the members are right
// to wait: after a restore, or because somebody promoted one by hand, the sync
// key names only members that are tagged never to lead; after a restore, until a
// leader has written the status key, all members are further behind what it
// tells than maximum_lag_on_failover; and the newest timeline was begun by hand
// on a standby that runs and that the failsafe key does not list, which may not
// lead, while the others cannot tell its log from one that counts. Then, after
// the bound, an operator forces a failover to the member with most of what was
// confirmed, and the cluster has to recover as it does otherwise. What the new
// leader lacks is excused, as after each forced failover.
//
// In failsafe mode whoever accepts writes without the lock must have a promise
// under every name in the failsafe key, as it is on the disks.
//
// Concurrency: everything of the models is guarded by the world's mutex, which
// is never held while virtual time passes. What the world does later by itself
// is on one agenda, in order. Each worker has one processor and no collector;
// built with the overlay of test/sim/ordered, as "make sim" and "make test" do,
// the Go runtime orders goroutines that are due at the same instant always
// alike, and a seed reproduces. Without it, they are ordered by chance, as after
// a freeze, and the story of a seed can take another turn. With -sums the
// test prints a hash of each transcript, to compare two builds.
package sim
