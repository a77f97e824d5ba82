// Package conformance are the checks that every plugin has to pass: they start
// its program as the agent does and look for what the agent relies on. Package
// plugintest runs them as a Go test, "pgregentctl plugin test" for operators.
//
// A check uses the process's standard input while it starts a plugin, so that
// checks run one after the other.
package conformance
