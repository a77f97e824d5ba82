// Package agent is the loop that ties the edges to the decision core:
// observe, decide, act, publish.
//
// An [Agent] wakes on events (a watch of the store, the end of the
// postmaster, the end of a job, an operator's command) and, as a safety net,
// once a second. Each round reads the world again, asks core/decide what to
// do, and carries that out: short effects at once, long ones as a job, one
// at a time, while the loop keeps turning.
//
// One goroutine, the loop, owns all mutable state (type state). Jobs touch
// the ports only and hand their results back. What others may read is
// published as an immutable cluster.NodeStatus behind an atomic pointer.
//
// The package declares the interfaces that it needs (ports.go) and knows
// neither ZooKeeper, nor SQL, nor HTTP.
package agent
