// Package access reaches a cluster for the operator's tool: it finds the
// configuration, reads and writes the keys in ZooKeeper, and calls the REST
// API of agents, ours and Patroni's.
//
// It owns no ephemerals. Errors say what a person can do next.
package access
