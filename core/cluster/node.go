package cluster

import "time"

// NodeStatus is what one agent publishes about itself after each change: the
// source of every health answer. It is a value; readers share it.
type NodeStatus struct {
	Name  string
	Scope string
	// Role is the agent's own idea of the role, which is the SQL role except
	// around promotion, demotion and while PostgreSQL is down.
	Role Role
	// Instance is the local PostgreSQL as last observed.
	Instance Instance
	// LeaseUntil is the end of this node's right to be primary on the
	// boot-time clock (core/lease.Now); 0 if it holds no lease.
	LeaseUntil time.Duration
	// FailsafeActive means that this leader leads by the promises of all other
	// members, or that this member has promised another not to lead.
	FailsafeActive bool
	// WatchdogFailed means that this node must not lead: its watchdog is
	// required and cannot be used.
	WatchdogFailed bool
	// Promoting means that a promotion is under way: /primary is not yet 200.
	Promoting bool
	// Cluster is the last view, nil if ZooKeeper was never read or does not
	// answer now.
	Cluster *Cluster
	// LastSeen is when ZooKeeper last answered a read of the view.
	LastSeen time.Time
	Settings Settings
	// LastStatus is what the status key should say if this leader were lost
	// now.
	LastStatus Status
	// Dynamic is the dynamic configuration in force, nil if none is known.
	Dynamic *Object
	// Tags are as configured; Member is the value of the own member key.
	Tags   Tags
	Member MemberData
	// Job is what long work is under way, "" if none.
	Job string
	// Build is the data directory that is being made, nil if none is.
	Build *Build
	// Rule and Reason are of the last decision.
	Rule   string
	Reason string
	// PublishedAt is when this was published, on the boot-time clock.
	PublishedAt time.Duration
	// LoopUntil is until when the loop counts as alive, on the boot-time
	// clock.
	LoopUntil time.Duration
	// InstanceID distinguishes agents of one name; new at every start.
	InstanceID string
}
