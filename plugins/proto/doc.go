// Package proto is the contract between pgregent and its plugins: the gRPC
// services of plugin.proto, and the handshake that comes before them.
//
// The generated files are committed; "make proto" writes them anew and CI
// checks that it gives the same. The package holds no logic and imports
// nothing of ours, so that plugins outside of this module can import it.
package proto
