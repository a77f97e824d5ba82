// Package certs reads the files of TLS for the REST API and its clients:
// certificates, keys (also encrypted ones), CA bundles and OpenSSL cipher
// strings, and notices when they change.
//
// A [Server] and a client's configuration look at their files when a
// connection is made, at most once a second, so that a renewed certificate is
// used without a restart or a signal; what cannot be read leaves the former
// one in force and is told once. All types are safe for concurrent use. TLS
// itself is crypto/tls's.
package certs
