// Package client calls the REST API of agents, ours and Patroni's. Agents
// ask their peers through it before an election, and the command line tool
// gives orders through it.
//
// It judges nothing: who may lead is decided elsewhere. A [Client] is safe
// for concurrent use and keeps connections open. Every call ends with its
// context; calls that should be quick have a limit of their own.
package client
