// Package command is the operator's tool: its commands, their options, what
// they print and their exit codes, as Patroni's own tool has them, and more.
//
// Each command reads the cluster from ZooKeeper and gives its orders through
// the REST API of the members. What an order does never depends on this
// process once it was sent: an interruption ends the watching, not the work.
package command
