// Package observability sets up how an agent is watched from outside: logs
// ([NewLogger]), metrics ([Metrics], [Phases]), traces ([Tracing]) and the
// record of failovers ([Recorder], [Flight]).
//
// It decides nothing and holds nobody up: what it is told is queued, and what
// there is no room for is dropped and counted. A collector that does not answer
// costs a bounded queue. All types are safe for concurrent use.
//
// README.md tells how to read a failover, what is exported, and how the shipped
// alerts and dashboards are used.
package observability
