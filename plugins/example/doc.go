// Package example has a plugin that is not written in Go: note.py speaks the
// contract of plugins/proto from Python. The package itself is empty; its test
// runs the conformance suite on the script.
package example
