package decide

import (
	"fmt"

	"github.com/pgregent/pgregent/core/cluster"
)

// standbyCluster reports that nobody here is to be primary: the cluster
// follows a server outside.
func (v *View) standbyCluster() bool { return v.Settings.StandbyCluster != nil }

// remote is the server outside that a standby cluster follows.
func (v *View) remote() *cluster.Upstream { return v.Settings.StandbyCluster.Upstream() }

// followsRemote reports that this node is the one that follows the remote, or
// that there is no leader to follow instead.
func (v *View) followsRemote() bool {
	return v.standbyCluster() && (v.Lease.Held() || v.leader() == v.Self || (v.unlocked() && !v.Settings.Pause))
}

// leadsStandby reports a standby that holds the lock of a standby cluster.
func (v *View) leadsStandby() bool { return v.standbyCluster() && v.Lease.Held() && v.standby() }

// comparand is the primary whose history this node's log must agree with: the
// leader, or for all members of a standby cluster the remote; nil if there is
// none to be asked now.
func comparand(v *View) *cluster.Upstream {
	switch {
	case !v.readable():
		return nil
	case v.standbyCluster():
		if up := v.remote(); up.Streams() {
			return up
		}
		return nil
	case v.leaderReady():
		return upstream(v.Cluster.LeaderMember())
	}
	return nil
}

// unchecked reports that the log is to be compared now. A remote that cannot
// tell holds nobody up.
func (v *View) unchecked() bool {
	return v.Divergence == cluster.DivergenceUnknown && comparand(v) != nil && !(v.standbyCluster() && v.RemoteSilent)
}

// where names an upstream in reasons.
func where(up *cluster.Upstream) string {
	switch {
	case up == nil:
		return "nobody"
	case up.Name != "":
		return up.Name
	case up.Streams():
		return "the remote " + up.Host + ":" + up.Ports()
	}
	return "the archive"
}

func checkAgainst(up *cluster.Upstream) Decision {
	return Decision{Verb: CheckDivergence, Upstream: up, Reason: "comparing the log with " + where(up)}
}

// standbyClusterRules are what differs in a standby cluster while PostgreSQL
// is primary or down.
func standbyClusterRules() []Rule {
	return []Rule{
		{
			Name: "demote-cluster",
			Doc:  "The cluster has become a standby cluster: the primary stops in order, archives what is left and follows the remote.",
			When: func(v *View) bool { return v.standbyCluster() && v.holds() && v.Instance.Primary() },
			Then: func(v *View) Decision {
				return Decision{Verb: DemoteCluster, Reason: "standby_cluster is configured; the primary becomes a standby of " + where(v.remote())}
			},
		},
		{
			Name: "standby-cluster-check",
			Doc:  "PostgreSQL of a standby cluster is down: first see whether its log has diverged from the remote's.",
			When: func(v *View) bool { return v.standbyCluster() && v.down() && v.unchecked() },
			Then: func(v *View) Decision { return checkAgainst(comparand(v)) },
		},
		{
			Name: "standby-cluster-diverged",
			Doc:  "The log of a standby cluster's member has diverged from the remote's: it is rewound from there.",
			When: func(v *View) bool {
				return v.standbyCluster() && (v.down() || v.standby() && (v.led() || v.Lease.Held())) && comparand(v) != nil &&
					v.Divergence == cluster.DivergenceFound && v.Now >= v.Backoff
			},
			Then: repairFromRemote,
		},
		{
			Name: "standby-leader-start",
			Doc:  "The leader of a standby cluster is down: start it as a standby of the remote.",
			When: func(v *View) bool { return v.standbyCluster() && v.down() && v.Lease.Held() },
			Then: func(v *View) Decision {
				up := Target(v)
				start := Decision{Verb: StartStandby, Upstream: up, Reason: "leader of a standby cluster; starting as a standby of " + where(up)}
				if v.StartFailed {
					return giveWay(v, start)
				}
				return start
			},
		},
	}
}

// repairFromRemote is what to do with a log that has diverged from the
// remote's. Only who is not the leader may be copied anew.
func repairFromRemote(v *View) Decision {
	up, why := v.remote(), v.DivergenceReason
	switch {
	case v.canRewind() && !v.RewindFailed:
		return Decision{Verb: Rewind, Upstream: up, Reason: "the log has diverged: " + why}
	case v.RewindFailed && v.Settings.RemoveOnRewindFailure && v.leaderReady():
		return Decision{Verb: Reclone, Upstream: upstream(v.Cluster.LeaderMember()), Reason: "the log has diverged and cannot be rewound: " + why}
	}
	stuck := wait("the log has diverged from the remote's (" + why + ") and cannot be rewound; copy this cluster anew")
	if v.Lease.Held() {
		return giveWay(v, stuck)
	}
	return stuck
}

// standbyLeaderRules are the running leader's of a standby cluster.
func standbyLeaderRules() []Rule {
	leading := func(v *View) bool { return v.leadsStandby() && !v.Restart }
	return []Rule{
		{
			Name: "standby-hand-over",
			Doc:  "An operator asked for a switchover in a standby cluster: the leader releases the lock and goes on as a standby.",
			When: func(v *View) bool { _, ok := v.request(); return v.leadsStandby() && ok },
			Then: handOver,
		},
		{
			Name: "standby-leader-follow",
			Doc:  "The leader of a standby cluster is pointed at the remote.",
			When: func(v *View) bool { return leading(v) && !v.FollowsTarget && v.Now >= v.Backoff },
			Then: func(v *View) Decision {
				up := Target(v)
				return Decision{Verb: Follow, Upstream: up, Reason: "leader of a standby cluster; following " + where(up)}
			},
		},
		{
			Name: "standby-leader-check",
			Doc:  "See whether the log of a standby cluster's leader has diverged from the remote's.",
			When: func(v *View) bool { return leading(v) && v.unchecked() && v.Now >= v.Backoff },
			Then: func(v *View) Decision { return checkAgainst(comparand(v)) },
		},
		{
			Name: "standby-lead",
			Doc:  "This node is the leader of a standby cluster: it goes on and does the leader's housekeeping.",
			When: leading,
			Then: func(v *View) Decision {
				return Decision{Verb: Lead, Reason: fmt.Sprintf("I am %s, the standby leader with the lock, following %s", v.Self, where(Target(v)))}
			},
		},
	}
}
