// Package chaos breaks real clusters on purpose and measures what clients saw.
//
// A [Load] writes unique numbers on every node directly, over connections
// that stay open and over a new one for each write. [Check] computes from the
// times at which writes were sent and acknowledged, never from roles, for how
// long two nodes acknowledged writes, which acknowledged rows are missing, and
// how long nobody accepted writes. An [Ensemble] is ZooKeeper in one or three
// servers, a [Network] a set of hosts in network namespaces of their own,
// between which packets can be discarded.
//
// Replication is asynchronous here: rows acknowledged around a fault may be
// lost with a killed primary, and the tests report how many were. Rows that
// were on the standbys before the fault may not, and two nodes may never
// acknowledge writes at the same time.
//
// Set PGREGENT_CHAOS=full for faults as long as in a nightly run.
package chaos
