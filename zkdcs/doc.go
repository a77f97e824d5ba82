// Package zkdcs keeps the cluster's shared state in ZooKeeper: leader lock,
// members, dynamic configuration, requests and history, in the layout that
// Patroni uses.
//
// A [Store] has two connections. The lease connection owns the session with
// all ephemeral znodes, makes all writes and never sets a watch; the watch
// connection reads and watches, and is thrown away at its first disconnect.
// The right to be primary is a lease, proven by committed writes only and
// counted from the moment they were sent; see core/lease and README.md, which
// also lists the keys.
//
// The package decides nothing about PostgreSQL and never retries beyond the
// context of a call. A Store is safe for concurrent use; the goroutines
// belong to [Store.Run].
//
// Its errors are those of core/cluster; no error of the client library leaves
// it.
package zkdcs
