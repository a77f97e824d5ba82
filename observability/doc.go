// Package observability sets up how an agent is watched from outside. Today
// that is logging: [NewLogger]. Tracing, metrics and the flight recorder join
// it here.
package observability
