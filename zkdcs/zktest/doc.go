// Package zktest starts a real ZooKeeper server on 127.0.0.1 and puts a TCP
// proxy with faults before it, for tests and for the demonstration.
//
// It knows nothing of our keys. A Server is for one goroutine at a time; a
// Proxy is safe for concurrent use. Java and the jars of Debian's zookeeper
// package are needed.
package zktest
