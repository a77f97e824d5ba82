// Package contract says in tests what core/agent expects of its store. The
// adapter to ZooKeeper and the model of the simulation have to pass the same
// cases, so that what holds in the simulation holds outside.
//
// A case uses no subtests, because those do not exist in virtual time: the
// caller runs each in its own.
package contract
