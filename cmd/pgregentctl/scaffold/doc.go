// Package scaffold writes the files of a new plugin: a Go module of its own
// that builds and passes the conformance suite.
package scaffold
