// Package fence is the process that stops PostgreSQL when the lease runs out,
// whatever happened to the agent.
//
// It is a second, tiny process with one duty. The agent tells it over a local
// socket until when PostgreSQL may accept writes ([Client]); at that instant,
// by its own boot-time clock, the fence kills every process of the server
// ([Serve]), no matter whether the agent is alive, stopped, swapped out or
// gone. When the agent dies, the fence gives a restarted one the chance to
// take over ("adopt") PostgreSQL and the same ZooKeeper session; if none
// comes, it kills PostgreSQL and only then closes that session, so that the
// leader znode goes and a standby takes over at once. It never deletes a
// znode by path: closing an expired session hurts nobody.
//
// There is one fence for a state directory: a [Client] kills one that lives and
// does not answer before it starts another. A session that PostgreSQL was
// killed for is spent: the fence arms nothing for it any more, and the next
// fence is told of it.
//
// The fence has no opinion about the cluster. What it decides is in
// [Machine], which is pure. How PostgreSQL is killed and how the session is
// closed are given to Serve as functions.
package fence
