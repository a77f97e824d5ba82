// Package postgres runs one local PostgreSQL, versions 13 to 18: it finds,
// starts, stops, kills and promotes the postmaster, writes the configuration
// files, looks at the server once per observation, copies and rewinds data
// directories. It is the only user of lib/pq. It takes no decisions.
//
// [Server] is the main type. The postmaster survives the agent: it is started
// in its own session and found again by postmaster.pid, so a Server holds no
// state that a new one could not find out. What cannot be seen on disk (a
// copy, a rewind or an initdb that was cut off) is marked by a file beside
// the data directory.
//
// # Waiting
//
// Nothing is polled that reports by itself. A postmaster is held by a pidfd,
// which becomes readable when it exits; inotify tells of changes of
// postmaster.pid (its eighth line is the server's status), of the promote
// file and of global/pg_control. Waits look again after each of these.
//
// # Concurrency
//
// Observe, Events, Kill, Wants, Slots and UpstreamSlots may be called at any
// time from any goroutine. The other methods change the instance and must not overlap.
// A mutex guards the fields; it is never held across I/O that can hang.
//
// # Requirements
//
// Linux 5.3 (pidfd) and a user that is not root. Sources: the PostgreSQL
// manual, sections "Server Setup and Operation", "Reliability and the
// Write-Ahead Log" and "Monitoring Database Activity".
package postgres
