package decide

import (
	"fmt"
)

// finishing reports that this agent has taken PostgreSQL down for work that
// it must bring to its end, also in pause.
func (v *View) finishing() bool {
	return v.Unfinished && !v.Instance.Running && !v.Lease.Held() && !v.StartFailed && v.LastError == ""
}

func pauseRules() []Rule {
	paused := func(v *View) bool { return v.Settings.Pause && !v.finishing() }
	return append(pausedLeaderRules(paused), pausedMemberRules(paused)...)
}

// pausedLeaderRules are those of the lock holder, and of who may become it.
func pausedLeaderRules(paused func(*View) bool) []Rule {
	return []Rule{
		{
			Name: "paused-come-back",
			Doc:  "In pause a leader that has stopped for a hand-over which came to nothing starts again.",
			When: func(v *View) bool {
				return paused(v) && v.Unfinished && v.down() && v.holds() && !v.Instance.Standby && !v.StartFailed && !v.standbyCluster()
			},
			Then: func(*View) Decision {
				return Decision{Verb: StartPrimary, Reason: "PAUSE: stopped for a hand-over that was not completed"}
			},
		},
		{
			Name: "paused-foreign-data",
			Doc:  "In pause a leader whose data belong to another cluster gives the lock up.",
			When: func(v *View) bool { return paused(v) && v.Lease.Held() && v.foreign() },
			Then: func(v *View) Decision {
				return Decision{Verb: Release, Reason: "PAUSE: " + mismatch(v)}
			},
		},
		{
			Name: "paused-hand-over",
			Doc:  "In pause a switchover to a named candidate is still carried out.",
			When: func(v *View) bool {
				f, ok := v.request()
				return paused(v) && ok && f.ScheduledAt.IsZero() && v.holds() && (v.Instance.Primary() || v.leadsStandby())
			},
			Then: handOver,
		},
		{
			Name: "paused-restart",
			Doc:  "In pause an operator's restart is still carried out.",
			When: func(v *View) bool { return paused(v) && v.Restart },
			Then: func(*View) Decision { return Decision{Verb: Restart, Reason: "PAUSE: restart requested"} },
		},
		{
			Name: "paused-stalled",
			Doc:  "In pause the candidate that took the lock and whose replay waits for higher settings is restarted before it is promoted.",
			When: func(v *View) bool {
				return paused(v) && v.holds() && v.standby() && v.Won && v.Instance.ReplayStalled && v.Now >= v.Backoff
			},
			Then: func(*View) Decision {
				return Decision{Verb: Restart, Reason: "PAUSE: replay has stopped: a setting is lower than the primary's"}
			},
		},
		{
			Name: "paused-candidate",
			Doc:  "In pause the named candidate takes the free lock, unless somebody runs as primary.",
			When: func(v *View) bool {
				f, _ := v.election()
				return paused(v) && v.named() && v.unlocked() && v.standby() && !v.Tags.NoFailover() && (f.Leader == "" || !v.barred() && v.complete())
			},
			Then: func(v *View) Decision { return takeOver(v, "PAUSE: ") },
		},
		{
			Name: "paused-promote",
			Doc:  "In pause the candidate that took the lock is promoted.",
			When: func(v *View) bool {
				return paused(v) && v.holds() && v.standby() && v.Won && !v.PromoteFailed && !v.standbyCluster()
			},
			Then: func(v *View) Decision {
				return Decision{Verb: Promote, Reason: "took the lock as the named candidate in pause"}
			},
		},
		{
			Name: "paused-release",
			Doc:  "In pause a leader whose PostgreSQL stopped or became a standby gives the lock up.",
			When: func(v *View) bool {
				promoting := v.Won && !v.PromoteFailed
				return paused(v) && v.Lease.Held() && (!v.Instance.Running || (v.standby() && !v.standbyCluster() && !promoting))
			},
			Then: func(v *View) Decision {
				return Decision{Verb: Release, Reason: "PAUSE: PostgreSQL is not a running primary"}
			},
		},
		{
			Name: "paused-lead",
			Doc:  "In pause the leader goes on.",
			When: func(v *View) bool { return paused(v) && v.Lease.Held() },
			Then: func(v *View) Decision {
				return Decision{Verb: Lead, Reason: "PAUSE: I am " + v.Self + ", the leader with the lock"}
			},
		},
		{
			Name: "paused-primary",
			Doc:  "In pause a running primary of this cluster takes a free lock, the first one of several.",
			When: func(v *View) bool {
				return paused(v) && v.unlocked() && v.Instance.Ready && v.Instance.Primary() && !v.foreign()
			},
			Then: pausedPrimary,
		},
	}
}

// pausedPrimary takes the free lock, unless the cluster, its last leader, or
// another primary is on a newer timeline: that history is to go on. A leader may
// be lost before it has written the history key.
func pausedPrimary(v *View) Decision {
	if v.outdated() {
		return wait(fmt.Sprintf("PAUSE: running as primary without the lock; my timeline %d is behind the cluster's %d", v.Instance.Timeline, v.Cluster.History.ClusterTimeline()))
	}
	if v.Instance.Timeline < v.LastTimeline && !v.standbyCluster() {
		return wait(fmt.Sprintf("PAUSE: running as primary without the lock; my timeline %d is behind the last leader's %d; restart this agent if this history is to go on", v.Instance.Timeline, v.LastTimeline))
	}
	if v.Peers == nil {
		return Decision{Verb: AskPeers, Reason: "PAUSE: running as primary and nobody holds the lock"}
	}
	for _, p := range v.Peers {
		if p.Reachable && p.Primary && p.Timeline > v.Instance.Timeline {
			return wait(fmt.Sprintf("PAUSE: running as primary without the lock; %s is primary too, on the newer timeline %d", p.Name, p.Timeline))
		}
	}
	return Decision{Verb: Acquire, Reason: "PAUSE: running primary takes the free lock"}
}

// pausedMemberRules are those of all others.
func pausedMemberRules(paused func(*View) bool) []Rule {
	return []Rule{
		{
			Name: "paused-reinitialize",
			Doc:  "In pause an operator's reinitialize is still carried out.",
			When: func(v *View) bool { return paused(v) && v.reinitializable() },
			Then: reinitialize,
		},
		{
			Name: "paused-inherit",
			Doc:  "In pause a new agent of the running leader takes over the lock that the agent before it has left.",
			When: func(v *View) bool { return paused(v) && v.Instance.Primary() && v.inheritable() },
			Then: inherit,
		},
		{
			Name: "paused-beside",
			Doc:  "In pause a primary without the lock is left alone, and reported.",
			When: func(v *View) bool { return paused(v) && v.led() && v.Instance.Primary() },
			Then: func(v *View) Decision {
				return wait("PAUSE: running as primary without the lock, beside leader " + v.leader())
			},
		},
		{
			Name: "paused-follow",
			Doc:  "In pause a standby still follows a new leader.",
			When: func(v *View) bool {
				return paused(v) && v.led() && v.standby() && !v.FollowsTarget && (Target(v) != nil || v.Tags.NoStream()) && v.Now >= v.Backoff
			},
			Then: func(v *View) Decision {
				d := follow(v)
				d.Reason = "PAUSE: " + d.Reason
				return d
			},
		},
		{
			Name: "paused",
			Doc:  "In pause nothing else is started, stopped, promoted or demoted.",
			When: paused,
			Then: func(v *View) Decision {
				if v.foreign() {
					return wait("PAUSE: " + mismatch(v))
				}
				return wait("PAUSE: no action")
			},
		},
	}
}
