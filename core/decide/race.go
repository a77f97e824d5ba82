package decide

import (
	"fmt"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// raceAgain is how soon a node that may not take the free lock looks again:
// the others' answers change without any event here.
const raceAgain = 500 * time.Millisecond

// candidateGrace is how long the others leave a free lock to a candidate
// that an operator named.
const candidateGrace = 5 * time.Second

func raceRules() []Rule {
	racing := func(v *View) bool { return v.unlocked() && v.standby() }
	return []Rule{
		{
			Name: "follow-starting",
			Doc:  "A standby that does not answer yet follows the wrong server: without log from the right one it may never become consistent.",
			When: func(v *View) bool {
				return v.led() && v.Instance.Running && !v.Instance.Ready && v.Instance.Standby && !v.FollowsTarget && Target(v) != nil &&
					v.leader() != v.Self && v.Now >= v.Backoff
			},
			Then: func(v *View) Decision {
				return Decision{Verb: Follow, Upstream: Target(v), Reason: "the leader is " + v.leader() + "; PostgreSQL does not answer: " + v.Instance.Err}
			},
		},
		{
			Name: "check-starting",
			Doc:  "A standby does not answer although it follows the leader: see whether it waits for log that the leader does not have.",
			When: func(v *View) bool { return v.startingBehind() && v.unchecked() },
			Then: func(v *View) Decision { return checkAgainst(comparand(v)) },
		},
		{
			Name: "diverged-starting",
			Doc:  "A standby that does not answer has to reach a point that is not in the leader's log.",
			When: func(v *View) bool { return v.startingBehind() && v.Divergence == cluster.DivergenceFound },
			Then: repair,
		},
		{
			Name: "no-answer",
			Doc:  "PostgreSQL runs and does not answer: it takes no part in a race.",
			When: func(v *View) bool { return v.Instance.Running && !v.Instance.Ready },
			Then: func(v *View) Decision {
				return Decision{Verb: Wait, Again: 200 * time.Millisecond, Reason: "PostgreSQL does not answer: " + v.Instance.Err}
			},
		},
		{
			Name: "store-unreadable",
			Doc:  "ZooKeeper does not answer: a standby goes on as it is.",
			When: func(v *View) bool { return !v.readable() },
			Then: func(v *View) Decision { return wait("standby; the store does not answer: " + v.StoreErr) },
		},
		{
			Name: "race-unmanaged",
			Doc:  "PostgreSQL was found running as a standby of a cluster that has no keys yet: its primary comes first.",
			When: func(v *View) bool {
				return racing(v) && v.Adopted && !v.SeenInitialized && v.Cluster.Initialize == nil && !v.named() && !v.standbyCluster()
			},
			Then: func(*View) Decision {
				return Decision{Verb: Wait, Again: raceAgain, Reason: "this cluster has no keys in ZooKeeper and PostgreSQL runs as a standby here: start the agent of its primary first, or name this node as the candidate of a failover"}
			},
		},
		{
			Name: "race-nofailover",
			Doc:  "The lock is free, but this node must never lead.",
			When: func(v *View) bool { return racing(v) && v.Tags.NoFailover() },
			Then: func(*View) Decision {
				return wait("following a different leader because I am not allowed to promote")
			},
		},
		{
			Name: "race-not-synchronous",
			Doc:  "The lock is free, but this node may lack commits that were confirmed: it is not in the sync key.",
			When: func(v *View) bool {
				f, _ := v.election()
				return racing(v) && v.barred() && !(v.named() && f.Leader == "")
			},
			Then: func(v *View) Decision {
				return Decision{Verb: Wait, Again: raceAgain, Reason: "not the healthiest: the sync key does not list me"}
			},
		},
		{
			Name: "race-bootstrap",
			Doc:  "The lock is free and a bootstrap may be under way elsewhere: its node takes the lock. A member with data leaves it that for two TTL, or as long as a member may be the one. Stop members with old data before you make a cluster anew.",
			When: func(v *View) bool {
				return racing(v) && v.Cluster.Initialize != nil && v.Cluster.SystemID() == "" && !abandonedKey(v)
			},
			Then: func(*View) Decision { return wait("the cluster is being bootstrapped") },
		},
		{
			Name: "race-candidate",
			Doc:  "An operator named this node and it has everything that the old leader wrote before it released the lock: it takes the lock at once.",
			When: func(v *View) bool {
				f, _ := v.election()
				return racing(v) && v.named() && f.Leader != "" && v.complete()
			},
			Then: func(v *View) Decision {
				return Decision{Verb: Acquire, Reason: fmt.Sprintf("named as the candidate, at %v of %v", v.Instance.Position(), v.Cluster.Status.Optime)}
			},
		},
		{
			Name: "race-failover",
			Doc:  "An operator asked for a failover to this node, and there is no leader: it takes the lock, unless somebody runs as primary.",
			When: func(v *View) bool {
				f, _ := v.election()
				return racing(v) && v.named() && f.Leader == "" && !v.outdated()
			},
			Then: func(v *View) Decision { return takeOver(v, "") },
		},
		{
			Name: lagRule,
			Doc:  "The lock is free, but this node is further behind than maximum_lag_on_failover, and no operator asked for a failover.",
			When: func(v *View) bool {
				_, requested := v.election()
				return racing(v) && !requested && v.shared()+v.Settings.MaximumLagOnFailover < v.Cluster.Status.Optime
			},
			Then: func(v *View) Decision {
				return Decision{Verb: Wait, Again: raceAgain, Reason: fmt.Sprintf("not the healthiest: at %v, the leader was at %v, more than %d bytes ahead",
					v.shared(), v.Cluster.Status.Optime, v.Settings.MaximumLagOnFailover)}
			},
		},
		{
			Name: "race-timeline",
			Doc:  "The lock is free, but this node is on an older timeline than the cluster (check_timeline).",
			When: func(v *View) bool {
				return racing(v) && v.Settings.CheckTimeline && v.outdated()
			},
			Then: func(v *View) Decision {
				return Decision{Verb: Wait, Again: raceAgain, Reason: fmt.Sprintf("my timeline %d is behind the cluster's %d", v.Instance.Timeline, v.Cluster.History.ClusterTimeline())}
			},
		},
		{
			Name: "race-ask",
			Doc:  "The lock is free: ask the others before taking it.",
			When: func(v *View) bool { return racing(v) && v.Peers == nil },
			Then: func(*View) Decision { return Decision{Verb: AskPeers, Reason: "nobody holds the leader lock"} },
		},
		{
			Name: "race",
			Doc:  "The lock is free: the healthiest node takes it.",
			When: racing,
			Then: race,
		},
	}
}

// startingBehind reports that PostgreSQL runs as a standby of another member
// that is ready, and does not answer.
func (v *View) startingBehind() bool {
	return v.leaderReady() && !v.standbyCluster() && v.Instance.Running && !v.Instance.Ready && v.Instance.Standby && v.Now >= v.Backoff
}

// lagRule is what a node shows that is too far behind. LagsBehind reads it.
const lagRule = "race-lag"

// LagsBehind reports whether a node whose last decision is by that rule leaves
// the free lock to others because it is too far behind.
func LagsBehind(rule string) bool { return rule == lagRule }

// race decides with the peers' answers at hand.
func race(v *View) Decision {
	if why := outrun(v); why != "" {
		return Decision{Verb: Wait, Again: raceAgain, Reason: why}
	}
	if why := behindRelease(v); why != "" {
		return Decision{Verb: Wait, Again: raceAgain, Reason: why}
	}
	if why := votes(v); why != "" {
		return Decision{Verb: Wait, Again: raceAgain, Reason: why}
	}
	return Decision{Verb: Acquire, Reason: fmt.Sprintf("the healthiest of %s, at %v on timeline %d", askedNames(v), v.Instance.Position(), v.Instance.Timeline)}
}

// outrun says why another node should take the free lock, "" if none should.
func outrun(v *View) string {
	f, requested := v.election()
	mine := v.Instance.Position()
	for _, p := range v.Peers {
		switch {
		case p.Reachable && p.Primary:
			return fmt.Sprintf("%s still runs as primary", p.Name)
		case !p.fit(), !v.rival(p): // also on a newer timeline, which somebody has begun by hand
		case p.Timeline > v.Instance.Timeline && p.Lagging: // the newer timeline is an abandoned one
		case p.Timeline > v.Instance.Timeline:
			return fmt.Sprintf("%s is on timeline %d, this node on %d", p.Name, p.Timeline, v.Instance.Timeline)
		case p.olderThan(v.Instance.Timeline): // what it has beyond the fork is abandoned
		case requested && f.Leader == p.Name: // the old leader of a switchover comes last
		case requested && f.Candidate == p.Name && v.graceLeft():
			return fmt.Sprintf("%s is the candidate of the requested failover", p.Name)
		case requested && f.Leader == v.Self && v.graceLeft():
			return fmt.Sprintf("this node was asked to hand over and %s can lead", p.Name)
		case v.leavesOut(p.Name), p.Lagging: // it may not lead either, or was too far behind along the cluster's history
		case p.Position > mine:
			return fmt.Sprintf("Wal position of %s is ahead of my wal position: %v > %v", p.Name, p.Position, mine)
		case p.Position == mine && p.FailoverPriority > v.Tags.FailoverPriority():
			return fmt.Sprintf("%s has equally tolerable WAL position and priority %d, while this node has priority %d", p.Name, p.FailoverPriority, v.Tags.FailoverPriority())
		}
	}
	return ""
}

// behindRelease says who may have the end of the log of a leader that stopped
// in order, "" if this node has it or nobody can have. For a moment the lock is
// left to them: nothing is to be lost by a planned change of leaders.
func behindRelease(v *View) string {
	status := v.Cluster.Status
	if status.Released == 0 || v.Instance.Position() >= status.Optime || !v.graceLeft() {
		return ""
	}
	f, _ := v.request()
	for _, p := range v.Peers {
		if !p.Reachable && p.Name != f.Leader && v.Cluster.Member(p.Name) != nil {
			return fmt.Sprintf("%s does not answer and may have the end of the log, %v; this node is at %v", p.Name, status.Optime, v.Instance.Position())
		}
	}
	return ""
}

func (v *View) graceLeft() bool {
	return v.UnlockedSince == 0 || v.Now.Before(v.UnlockedSince.Add(candidateGrace))
}

// askedNames lists who was compared with.
func askedNames(v *View) string {
	if len(v.Peers) == 0 {
		return "one"
	}
	text := v.Self
	for _, p := range v.Peers {
		text += ", " + p.Name
		if !p.Reachable {
			text += " (no answer)"
		}
	}
	return text
}

// followed names whom the standby follows, "nobody" for none.
func followed(v *View) string {
	if up := Target(v); up != nil && up.Name != v.leader() {
		return where(up) + ", leader " + v.leader()
	} else if up == nil && v.Tags.NoStream() {
		return "the archive, leader " + v.leader()
	}
	return v.leader()
}

// follow points the standby at its target and says why that is the one.
func follow(v *View) Decision {
	up := Target(v)
	d := Decision{Verb: Follow, Upstream: up, Reason: "the leader is " + v.leader()}
	switch {
	case up == nil:
		d.Reason = "tagged nostream; restoring from the archive only"
	case up.Name != v.leader():
		d.Reason = "tagged replicatefrom " + up.Name + "; " + d.Reason
	}
	return d
}

func followRules() []Rule {
	following := func(v *View) bool { return v.led() && v.standby() }
	return []Rule{
		{
			Name: "diverged",
			Doc:  "The running standby's log has diverged from the leader's.",
			When: func(v *View) bool {
				return following(v) && v.leaderReady() && !v.standbyCluster() && v.Divergence == cluster.DivergenceFound && v.Now >= v.Backoff
			},
			Then: repair,
		},
		{
			Name: "follow",
			Doc:  "The standby is pointed at another server than it should follow.",
			When: func(v *View) bool {
				return following(v) && !v.FollowsTarget && (Target(v) != nil || v.Tags.NoStream()) && v.leader() != v.Self && v.Now >= v.Backoff
			},
			Then: follow,
		},
		{
			Name: "check",
			Doc:  "There is a new leader: see whether the logs have diverged.",
			When: func(v *View) bool {
				return following(v) && v.leaderReady() && v.unchecked() && v.Now >= v.Backoff
			},
			Then: func(v *View) Decision { return checkAgainst(comparand(v)) },
		},
		{
			Name: "own-name",
			Doc:  "The lock is held under this node's name by another session: wait for that session to end.",
			When: func(v *View) bool { return v.leader() == v.Self },
			Then: func(*View) Decision {
				return wait("the leader lock is held under my name without a lease of mine; waiting for it to go")
			},
		},
		{
			Name: "standby",
			Doc:  "The standby follows the leader.",
			When: func(*View) bool { return true },
			Then: func(v *View) Decision {
				return wait("no action. I am " + v.Self + ", a secondary, following " + followed(v))
			},
		},
	}
}

// stalledRules come before all that leads to a promotion, which would hang.
func stalledRules() []Rule {
	return []Rule{
		{
			Name: "replay-stalled",
			Doc:  "The standby's replay waits for settings as high as the primary's: a restart gives them to it.",
			When: func(v *View) bool { return v.standby() && v.Instance.ReplayStalled && v.Now >= v.Backoff },
			Then: func(*View) Decision {
				return Decision{Verb: Restart, Reason: "replay has stopped: a setting is lower than the primary's"}
			},
		},
	}
}

// shared is this node's position on the cluster's history: what it has behind
// the place where its log and the cluster's went different ways is nobody's log
// any more, and does not make up for lag. That is where the cluster left this
// node's timeline, or an older one at another place than this node did: two
// servers that were promoted apart give their timelines the same number. A key
// that is older than the last leader, with which this node's log agrees, may be
// of a branch that the leader left: Patroni keeps a key that ends on the right
// number.
func (v *View) shared() cluster.LSN {
	at := v.Instance.Position()
	if v.standbyCluster() {
		return at
	}
	for _, row := range v.Cluster.History {
		if row.Timeline >= v.Instance.Timeline {
			return min(at, row.LSN)
		}
		if v.WithLast && v.Cluster.HistoryZxid != 0 && v.Cluster.HistoryZxid < int64(v.LastEpoch) {
			continue
		}
		for _, own := range v.Instance.History {
			if own.Timeline == row.Timeline && own.LSN != row.LSN {
				return min(at, own.LSN, row.LSN)
			}
		}
	}
	return at
}

// complete reports that this node has all of the log that the last leader
// wrote before it released the lock in order.
func (v *View) complete() bool {
	status := v.Cluster.Status
	return v.standbyCluster() || status.Released != 0 && status.Released == v.LastEpoch &&
		v.Instance.Position() >= status.Optime && !v.outdated()
}
