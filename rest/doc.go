// Package rest serves the REST API of an agent: the one of Patroni, so that
// load balancers, monitors, patronictl and other members of a mixed cluster
// find what they know. README.md lists the endpoints and the differences.
//
// The package holds no state of the cluster. It asks a [Backend]: health
// answers come from the newest published [cluster.NodeStatus] and never wait
// for ZooKeeper or PostgreSQL; what changes something goes through the
// Backend's writes. Which code a status means is in rest/health.
//
// A [Server] is safe for concurrent use once Listen has returned. Requests
// are handled in one goroutine per connection; the only shared state is the
// last rendered status document.
package rest
