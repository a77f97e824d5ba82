package decide

import (
	"fmt"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// awaitLeader is how long a node that handed over stays down for the new
// leader to show up, so that it starts once, in the right place.
const awaitLeader = 5 * time.Second

func emptyRules() []Rule {
	empty := func(v *View) bool { return v.Instance.DataEmpty }
	return []Rule{
		{
			Name: "reinitialize",
			Doc:  "An operator asked for a fresh copy.",
			When: (*View).reinitializable,
			Then: reinitialize,
		},
		{
			Name: "data-unusable",
			Doc:  "The data directory cannot be used: the node does nothing but say so, and gives up the lock.",
			When: func(v *View) bool { return v.Instance.DataProblem != "" },
			Then: func(v *View) Decision { return releaseOr(v, wait(v.Instance.DataProblem)) },
		},
		{
			Name: "empty-leader",
			Doc:  "The leader's data directory is gone: it gives up the lock.",
			When: func(v *View) bool { return empty(v) && v.Lease.Held() },
			Then: func(*View) Decision { return Decision{Verb: Release, Reason: "the data directory is empty"} },
		},
		{
			Name: "backing-off",
			Doc:  "The last try to build or start this node failed; the next one waits a moment.",
			When: func(v *View) bool {
				return !v.Instance.Running && !v.Lease.Held() && v.Now.Before(v.Backoff)
			},
			Then: func(v *View) Decision {
				left := v.Backoff.Sub(v.Now)
				return Decision{Verb: Wait, Again: left, Reason: fmt.Sprintf("next try in %v: %s", left.Round(time.Second), v.LastError)}
			},
		},
		{
			Name: "store-never-read",
			Doc:  "ZooKeeper has not answered since the start: without it nothing is started.",
			When: func(v *View) bool { return !v.Instance.Running && v.Cluster == nil },
			Then: func(v *View) Decision { return wait("waiting for ZooKeeper: " + v.StoreErr) },
		},
		{
			Name: "empty-store-unreadable",
			Doc:  "There is no data and ZooKeeper does not answer.",
			When: func(v *View) bool { return empty(v) && !v.readable() },
			Then: func(v *View) Decision { return wait("no data yet and ZooKeeper does not answer: " + v.StoreErr) },
		},
		{
			Name: "bootstrap",
			Doc:  "Nobody has made this cluster yet: race for making it.",
			When: func(v *View) bool {
				return empty(v) && v.unlocked() && v.Cluster.Initialize == nil && v.CanBootstrap && !v.Tags.NoFailover() &&
					!v.SeenInitialized && !dataElsewhere(v)
			},
			Then: func(*View) Decision { return Decision{Verb: Bootstrap, Reason: "trying to bootstrap a new cluster"} },
		},
		{
			Name: "bootstrap-abandoned",
			Doc:  "A bootstrap was begun and nobody goes on with it: the race is opened again.",
			When: func(v *View) bool {
				return empty(v) && v.unlocked() && v.Cluster.Initialize != nil && v.Cluster.SystemID() == "" && !bootstrapGoesOn(v) &&
					len(v.Cluster.Members) > 0 && v.Cluster.Members[0].Name == v.Self && // one of them, not all at once
					v.abandoned()
			},
			Then: func(*View) Decision {
				return Decision{Verb: ClearInitialize, Reason: "the bootstrap that was begun is not gone on with by any member"}
			},
		},
		{
			Name: "clone",
			Doc:  "There is a leader and no data: copy it.",
			When: func(v *View) bool { return empty(v) && v.leaderReady() && cloneSource(v) != nil },
			Then: func(v *View) Decision {
				src := cloneSource(v)
				return Decision{Verb: Clone, Upstream: src, Reason: "no data; copying " + src.Name}
			},
		},
		{
			Name: "build-without-leader",
			Doc:  "There is no leader, and a replica method that needs none, as from a backup. Whoever the sync key names counts as complete, which a backup is not.",
			When: func(v *View) bool {
				return empty(v) && v.unlocked() && v.Cluster.SystemID() != "" && v.WithoutLeader && !(v.synchronous() && v.Cluster.Sync.Contains(v.Self))
			},
			Then: func(*View) Decision {
				return Decision{Verb: Clone, Upstream: &cluster.Upstream{}, Reason: "no data and no leader; a replica method needs none"}
			},
		},
		{
			Name: "waiting-for-leader",
			Doc:  "There is no data and nobody to copy from yet.",
			When: empty,
			Then: func(v *View) Decision {
				if v.leader() != "" {
					return wait(fmt.Sprintf("waiting for leader %s to be ready for a copy", v.leader()))
				}
				if v.Cluster.Initialize == nil && (v.SeenInitialized || dataElsewhere(v)) {
					return wait("the cluster's keys were removed; waiting for a member with data to lead")
				}
				return wait("waiting for leader to bootstrap")
			},
		},
	}
}

// reinitializable reports that the requested fresh copy can be made.
func (v *View) reinitializable() bool { return v.Reinit && !v.Lease.Held() && v.leaderReady() }

func reinitialize(v *View) Decision {
	src := cloneSource(v)
	if v.ReinitFromLeader {
		src = upstream(v.Cluster.LeaderMember())
		src.Plain = true
	}
	return Decision{Verb: Reclone, Upstream: src, Reason: "reinitialize requested; copying " + src.Name}
}

// dataElsewhere reports that another member has data, so that the keys of a
// cluster that exists must have been removed.
func dataElsewhere(v *View) bool {
	for _, m := range v.Cluster.Members {
		if m.Name != v.Self && m.Data.XLogLocation > 0 {
			return true
		}
	}
	return false
}

// bootstrapGoesOn reports that some member may be making the cluster.
func bootstrapGoesOn(v *View) bool {
	for _, m := range v.Cluster.Members {
		switch m.Data.State {
		case cluster.StateInitializing, cluster.StateCustomBootstrap, cluster.StateStartingCustom, cluster.StateStarting, cluster.StateRunning,
			cluster.StateCreatingReplica: // of a standby cluster: the first copy of the remote
			return true
		}
	}
	return false
}

// abandonedKey reports that the initialize key, which has no system identifier,
// has been without the bootstrap that it tells of for long enough: a member with
// data may lead, and writes the key. A standby that was found running waits for
// the primary of its cluster, unless the key had the identifier before or an
// operator names it.
func abandonedKey(v *View) bool {
	if v.standbyCluster() || v.Adopted && !v.SeenInitialized && !v.named() {
		return false
	}
	for _, m := range v.Cluster.Members {
		if m.Name != v.Self && v.makesCluster(m.Data) {
			return false
		}
	}
	return v.abandoned()
}

// abandoned reports that nobody has held the lock for so long that whoever was
// making the cluster has lost its session.
func (v *View) abandoned() bool {
	return v.UnlockedSince != 0 && v.Now >= v.UnlockedSince.Add(2*v.Settings.TTL)
}

// makesCluster reports that a member may be making the cluster. One that is
// restored to a point in the past may run as a standby until somebody resumes
// it, and streams from nobody: so does any standby without a leader, and is left out of
// account if the key had the identifier before, or by an operator's request.
func (v *View) makesCluster(d cluster.MemberData) bool {
	switch d.State {
	case cluster.StateInitializing, cluster.StateCustomBootstrap, cluster.StateStartingCustom, cluster.StateCreatingReplica:
		return true
	case cluster.StateStarting, cluster.StateRunning:
		return d.Role != cluster.RoleReplica || !v.SeenInitialized && !v.named() && d.ReplicationState != "streaming"
	}
	return false
}

// releaseOr gives up a held lock, else does otherwise.
func releaseOr(v *View, otherwise Decision) Decision {
	if v.Lease.Held() {
		return Decision{Verb: Release, Reason: otherwise.Reason}
	}
	return otherwise
}

func downRules() []Rule {
	return []Rule{
		{
			Name: "lease-unproven",
			Doc:  "The lock is this session's, but its lease is not proven (any more): nothing becomes writable before it is.",
			When: func(v *View) bool { return v.Lease.Held() && !v.holds() && (v.readable() || v.Instance.Running) },
			Then: func(*View) Decision {
				return Decision{Verb: Wait, Again: 100 * time.Millisecond, Reason: "the lease is not proven; waiting for the store to take a write"}
			},
		},
		{
			Name: "down-store-unreadable",
			Doc:  "PostgreSQL is down and ZooKeeper does not answer: start read-only, which is always safe.",
			When: func(v *View) bool { return v.down() && !v.readable() && !v.holds() },
			Then: func(v *View) Decision {
				return Decision{Verb: StartStandby, Reason: "ZooKeeper does not answer (" + v.StoreErr + "); starting read-only"}
			},
		},
		{
			Name: "lock-not-shown",
			Doc:  "PostgreSQL is down and the lease is proven, but the store shows that somebody has ended it: nothing becomes writable before the session has told.",
			When: func(v *View) bool { return v.down() && v.Lease.Valid(v.Now) && v.disowned() },
			Then: func(v *View) Decision {
				return Decision{Verb: Wait, Again: 100 * time.Millisecond, Reason: fmt.Sprintf("the store does not show the lock of epoch %d any more; waiting for the session to tell", int64(v.Lease.Epoch))}
			},
		},
		{
			Name: "leader-crashed-fail-over",
			Doc:  "The leader's PostgreSQL is down and somebody else can take over sooner than it may be restarted.",
			When: func(v *View) bool {
				return v.down() && v.holds() && (v.StartFailed || (!v.Instance.Standby && v.Settings.PrimaryStartTimeout == 0))
			},
			Then: crashedLeader,
		},
		{
			Name: "leader-crashed-restart",
			Doc:  "The leader's PostgreSQL is down: start it in place, as primary on the same timeline.",
			When: func(v *View) bool { return v.down() && v.holds() && !v.Instance.Standby },
			Then: func(*View) Decision {
				return Decision{Verb: StartPrimary, Reason: "PostgreSQL is down and this node holds the lock"}
			},
		},
		{
			Name: "leader-down-standby",
			Doc:  "The lock holder was a standby and is down: start it in recovery, then promote.",
			When: func(v *View) bool { return v.down() && v.holds() },
			Then: func(*View) Decision {
				return Decision{Verb: StartStandby, Reason: "holds the lock and is down in recovery"}
			},
		},
		{
			Name: "await-new-leader",
			Doc:  "This node has just handed over: it stays down for a moment until the new leader is there to follow.",
			When: func(v *View) bool {
				return v.down() && v.HandedOver != 0 && v.Now.Before(v.HandedOver.Add(awaitLeader)) && !v.leaderReady()
			},
			Then: func(*View) Decision {
				return Decision{Verb: Wait, Again: 500 * time.Millisecond, Reason: "handed over; waiting for the new leader"}
			},
		},
		{
			Name: "down-check",
			Doc:  "PostgreSQL is down and the leader is ready: first see whether the logs have diverged.",
			When: func(v *View) bool { return v.down() && v.leaderReady() && v.unchecked() },
			Then: func(v *View) Decision { return checkAgainst(comparand(v)) },
		},
		{
			Name: "down-diverged",
			Doc:  "PostgreSQL is down and its log has diverged from the leader's: rewind it, or copy anew.",
			When: func(v *View) bool {
				return v.down() && v.leaderReady() && !v.standbyCluster() && v.Divergence == cluster.DivergenceFound
			},
			Then: repair,
		},
		{
			Name: "down-waiting-for-primary",
			Doc:  "A former primary is down and the leader is not writable yet: it cannot be compared, so wait.",
			When: func(v *View) bool {
				return v.down() && v.led() && !v.leaderReady() && !v.Instance.Standby && !v.standbyCluster()
			},
			Then: func(v *View) Decision { return wait("waiting for leader " + v.leader() + " to be writable") },
		},
		{
			Name: "start-standby",
			Doc:  "PostgreSQL is down: start it in recovery, following the leader if there is one.",
			When: (*View).down,
			Then: func(v *View) Decision {
				up := Target(v)
				if up == nil {
					return Decision{Verb: StartStandby, Reason: "starting read-only; nobody to follow"}
				}
				return Decision{Verb: StartStandby, Upstream: up, Reason: "starting as a standby of " + where(up)}
			},
		},
	}
}

func crashedLeader(v *View) Decision {
	again := Decision{Verb: StartPrimary, Reason: "PostgreSQL is down and nobody can take over"}
	if v.Instance.Standby {
		again.Verb = StartStandby
	}
	return giveWay(v, again)
}

// giveWay releases the lock for somebody who can take over from this leader,
// who cannot lead. Without anybody it does otherwise, after the back-off.
func giveWay(v *View, otherwise Decision) Decision {
	if v.Peers == nil {
		return Decision{Verb: AskPeers, Reason: "cannot lead; looking for somebody to take over"}
	}
	if name := bestCandidate(v, v.Cluster.Status.Optime); name != "" {
		return Decision{Verb: Release, Candidate: name, Reason: "cannot lead, and " + name + " can take over"}
	}
	if (v.StartFailed || v.PromoteFailed) && v.Now.Before(v.Backoff) {
		return Decision{Verb: Wait, Again: v.Backoff.Sub(v.Now), Reason: "nobody can take over; next try soon: " + v.LastError}
	}
	return otherwise
}

// canRewind reports that pg_rewind is allowed and may work.
func (v *View) canRewind() bool {
	return v.Settings.UsePgRewind && (v.Instance.Running || v.Instance.Control.RewindPossible)
}

// repair is what to do with a log that has diverged from the leader's.
func repair(v *View) Decision {
	leader := upstream(v.Cluster.LeaderMember())
	why := v.DivergenceReason
	canRewind := v.canRewind()
	switch {
	case canRewind && !v.RewindFailed && v.Cluster.LeaderMember().Data.CheckpointPending:
		return wait("the log has diverged; pg_rewind waits for the checkpoint of leader " + leader.Name)
	case canRewind && !v.RewindFailed:
		return Decision{Verb: Rewind, Upstream: leader, Reason: "the log has diverged: " + why}
	case v.Settings.Pause:
		return wait("PAUSE: the log has diverged (" + why + ") and cannot be rewound; reinitialize this node")
	case v.RewindFailed && v.Settings.RemoveOnRewindFailure, !canRewind && v.Settings.RemoveOnDivergence:
		return Decision{Verb: Reclone, Upstream: leader, Reason: "the log has diverged and cannot be rewound: " + why}
	}
	return wait("the log has diverged (" + why + ") and cannot be rewound; reinitialize this node, or set postgresql.remove_data_directory_on_diverged_timelines")
}
