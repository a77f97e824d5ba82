// Package bench measures what clients feel: the longest time without an
// acknowledged write around a switchover and around a crash, with a client
// that writes every 10 ms through libpq's multi-host connection string, and
// what an idle agent costs.
//
// Each is measured beside Debian's Patroni, if that is installed, in the same
// run on the same machine: the ratio counts, not the figure.
//
//	make bench
package bench
