// Package ensemble says how the ZooKeeper servers of a configuration are
// reached: the files of its zookeeper section become what zkdcs needs. It
// connects to nothing. It is safe for concurrent use.
package ensemble
