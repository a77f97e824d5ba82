// Package lab builds real clusters for tests and benchmarks: a ZooKeeper, the
// agent's binary as processes, and the PostgreSQL that they run, all on
// loopback and free ports, ended by exact pid.
//
// [New] starts a [Lab]; its nodes can be killed, stopped and started. A
// [Writer] writes unique numbers as a client would; [Probes] write on every
// node directly, and tell whether two nodes ever accepted writes at once.
package lab
