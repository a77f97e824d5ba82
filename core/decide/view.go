package decide

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// View is everything that one agent knows at the instant Now.
type View struct {
	Now lease.Instant
	// Wall is the wall clock, for schedules only.
	Wall time.Time
	// Self is this member's name.
	Self string
	// Cluster is the last view that was read; nil if there never was one.
	Cluster *cluster.Cluster
	// StoreErr says why the store did not answer in this round; "" if it did.
	StoreErr string
	Instance cluster.Instance
	// Lease is on the leader znode of this session; zero if it has none.
	Lease lease.Lease
	// Failsafe is the other members' promise that carries Lease on while the
	// store is silent; Promise is what this node has promised another.
	Failsafe lease.Failsafe
	Promise  Promise
	Settings cluster.Settings
	Tags     cluster.Tags
	// CanBootstrap means that the configuration allows a new cluster.
	CanBootstrap bool
	// WithoutLeader means that a replica can be made without a running server.
	WithoutLeader bool
	// Peers are the answers of the other members; nil if not asked yet.
	Peers []Peer

	// Job is the long work under way; nil if none.
	Job *Job
	// Backoff is until when failed work is not tried again, and LastError
	// is why it failed.
	Backoff   lease.Instant
	LastError string
	// StartFailed means that the last start of PostgreSQL failed.
	StartFailed bool
	// PromoteFailed means that the last promotion under this lock failed.
	PromoteFailed bool
	// SeenInitialized means that this agent has seen the cluster's system
	// identifier: if it is gone now, somebody removed the keys.
	SeenInitialized bool
	// Interrupted means that this node was cut off in the middle of making
	// the cluster.
	Interrupted bool

	// Started is when this agent started. Adopted means that PostgreSQL was
	// already running then, is still the same process, and this agent has not
	// led yet.
	Started lease.Instant
	Adopted bool
	// Former is the session that a dead agent of this node has left, 0 if
	// there is none: what it owns may be taken over.
	Former int64
	// AdoptedUntil is until when the fence of the former agent lets that
	// PostgreSQL write; 0: there was none.
	AdoptedUntil lease.Instant
	// FenceRequired means that this node must not lead without a fence
	// process; FenceLost is since when there is none, 0: there is one.
	FenceRequired bool
	FenceLost     lease.Instant
	// WatchdogErr is why a required watchdog cannot be used; "" if it can, or
	// is not required.
	WatchdogErr string
	// LastEpoch is of the last leadership that was seen; 0: none.
	LastEpoch cluster.Epoch
	// LastTimeline is what its leader told of its timeline; 0: nothing.
	LastTimeline cluster.Timeline
	// UnlockedSince is since when nobody holds the leader lock; 0 if
	// somebody does.
	UnlockedSince lease.Instant
	// HandedOver is when this node last released the lock in a hand-over.
	HandedOver lease.Instant
	// Won means that this agent took the lock and has not been primary under
	// it yet.
	Won bool
	// Divergence is the verdict against the present leader; unknown until
	// checked. DivergenceReason explains it.
	Divergence       cluster.Divergence
	DivergenceReason string
	// WithLast means that the log of this running server was found to agree with
	// that of the leader of LastEpoch, on the timeline that both are on.
	WithLast bool
	// RewindFailed means that pg_rewind failed against the present leader.
	RewindFailed bool
	// RemoteSilent means that the server outside was asked a moment ago and
	// could not tell whether the logs have diverged.
	RemoteSilent bool
	// FollowsTarget means that the running standby already streams from, or
	// waits for, the server that Target names.
	FollowsTarget bool

	// Sync is what this agent remembers of synchronous replication as leader.
	Sync SyncMemory
	// CopySlots are logical slots of the leader that this standby lacks.
	CopySlots []string

	// Unfinished means that this agent took PostgreSQL down for work of which
	// the last step, starting it again, is not done.
	Unfinished bool

	// Restart and Reinit are operators' requests that wait for their turn.
	Restart bool
	// Scheduled is a restart for later; nil if there is none. Role is what it
	// is compared with: this node's own idea of its role.
	Scheduled *ScheduledRestart
	Role      cluster.Role
	Reinit    bool
	// ReinitFromLeader means that the copy must not be taken from a standby.
	ReinitFromLeader bool
}

// Job is long work: one at a time.
type Job struct {
	Kind  string
	Since lease.Instant
	// Primary means that the work makes, or keeps, PostgreSQL writable.
	Primary bool
	// Stopping means that the work takes PostgreSQL down as it is.
	Stopping bool
}

// Peer is what another member's REST API said of itself.
type Peer struct {
	Name string
	// Reachable means that a usable answer came; Err says why not.
	Reachable bool
	Err       string

	Primary          bool
	Position         cluster.LSN
	Timeline         cluster.Timeline
	NoFailover       bool
	FailoverPriority int
	WatchdogFailed   bool
	// Lagging means that it leaves the free lock to others because the last
	// leader was too far ahead of it.
	Lagging bool
}

// olderThan reports that the peer is known to be on an older timeline: what
// it has beyond the fork belongs to an abandoned history.
func (p Peer) olderThan(t cluster.Timeline) bool { return p.Timeline != 0 && p.Timeline < t }

// fit reports that the peer answered and may lead.
func (p Peer) fit() bool { return p.Reachable && !p.NoFailover && !p.WatchdogFailed }

// readable reports that the store answered in this round.
func (v *View) readable() bool { return v.StoreErr == "" && v.Cluster != nil }

// leader is the name in the leader znode as last read.
func (v *View) leader() string { return v.Cluster.LeaderName() }

// unlocked reports that nobody holds the leader lock, by a fresh view.
func (v *View) unlocked() bool { return v.readable() && v.Cluster.Leader == nil }

// holds reports that this session owns the leader znode and that its lease,
// or the promises that carry it on, allow to be primary now.
func (v *View) holds() bool { return v.Lease.Valid(v.Now) || v.Carried() }

// disowned reports that a fresh view does not show the leader znode that the
// lease is on.
func (v *View) disowned() bool {
	return v.readable() && (v.Cluster.Leader == nil || v.Cluster.Leader.Epoch != v.Lease.Epoch)
}

// led reports that another member holds the leader lock.
func (v *View) led() bool {
	return v.readable() && v.Cluster.Leader != nil && !v.Lease.Held()
}

// leaderReady reports that the leader is another member whose PostgreSQL
// runs as primary, or leads a standby cluster, and can be connected to.
func (v *View) leaderReady() bool {
	m := v.Cluster.LeaderMember()
	if !v.led() || m == nil || m.Name == v.Self {
		return false
	}
	_, _, ok := m.Data.Address()
	return ok && m.Data.State == cluster.StateRunning &&
		(m.Data.IsPrimary() || (v.standbyCluster() && m.Data.Role == cluster.RoleStandbyLeader))
}

// down reports that there is data but no running server.
func (v *View) down() bool {
	return !v.Instance.Running && !v.Instance.DataEmpty && v.Instance.DataProblem == ""
}

// standby reports a running server in recovery that answers.
func (v *View) standby() bool {
	return v.Instance.Running && v.Instance.Ready && v.Instance.Standby
}
