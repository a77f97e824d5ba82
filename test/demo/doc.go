// Command demo starts a small cluster on 127.0.0.1 and leaves it running: one
// ZooKeeper, three agents with PostgreSQL, and HAProxy in front of them.
//
//	demo up [DIRECTORY]      start it, or say that it runs already
//	demo down [DIRECTORY]    stop what was started and remove it
//
// Everything is in that directory, by default .demo below the repository. cluster.json in it tells
// scripts where things are; it also holds each process with its start time,
// so that down ends these processes and no others. Started by root, all of
// them run as the user postgres, because PostgreSQL refuses to run as root.
//
// It is not a way to run a database: all copies are on one machine, the
// passwords are known, and nothing starts again what has been killed, except
// that the agents look after their PostgreSQL.
package main
