// Package health turns what a node knows about itself into the answers of
// the REST API: the code of a health check, the status document and the
// cluster document.
//
// Everything here is a pure function of a [cluster.NodeStatus] (or a
// [cluster.Cluster]) and an instant; there is no I/O, no clock and no HTTP
// server, so a health answer never waits for ZooKeeper or PostgreSQL. All
// functions are safe for concurrent use and do not change their arguments.
//
// The rules are Patroni's, with two deliberate differences: a lease past its
// end is no leader lock, and a node that is being promoted is not yet a
// primary. rest/README.md says why.
package health
