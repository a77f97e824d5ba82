// Package cluster is the vocabulary of pgregent: what the distributed store
// holds and what a node says about itself, as plain values, with the exact
// bytes that Patroni and its tools read and write.
//
// It holds no I/O, no clock and no goroutines, and imports the standard
// library only, so that every other package may use it. Values are treated
// as immutable once published; none of the types is safe for concurrent
// modification.
//
// The main types are [Cluster], one view of everything under the cluster's
// path in ZooKeeper, and [Instance], what one agent knows about its local
// PostgreSQL. The key names and value formats are documented in
// zkdcs/README.md.
package cluster
