package decide

import (
	"fmt"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// request is the manual failover or switchover that is due, if any.
func (v *View) request() (cluster.Failover, bool) {
	if v.Cluster == nil {
		return cluster.Failover{}, false
	}
	f := v.Cluster.Failover
	if !f.Pending() || (!f.ScheduledAt.IsZero() && v.Wall.Before(f.ScheduledAt)) {
		return cluster.Failover{}, false
	}
	return f, true
}

// missed reports a scheduled request that nobody has acted on in time.
func (v *View) missed(f cluster.Failover) bool {
	return !f.ScheduledAt.IsZero() && v.Wall.After(f.ScheduledAt.Add(v.Settings.LoopWait*3/2))
}

// election is the request that bears on a free lock: one that is due. One
// that was missed does not, unless the leader released the lock in order,
// which it may have done for that request.
func (v *View) election() (cluster.Failover, bool) {
	f, ok := v.request()
	if !ok || (v.missed(f) && v.Cluster.Status.Released == 0) {
		return cluster.Failover{}, false
	}
	return f, true
}

// named reports that the request names this node as the candidate.
func (v *View) named() bool {
	f, ok := v.election()
	return ok && f.Candidate == v.Self
}

// outdated reports that the cluster has been on a newer timeline than this
// node: what it would go on with is an abandoned history.
func (v *View) outdated() bool {
	return !v.standbyCluster() && v.Instance.Timeline < v.Cluster.History.ClusterTimeline()
}

// takeOver is what a candidate does whom an operator named without naming the
// leader: lag does not count, but nobody may run as primary or be on a newer
// timeline, unless the failsafe key keeps that one from leading, as it does not
// in pause: then only an operator can end the wait for it.
func takeOver(v *View, prefix string) Decision {
	if v.Peers == nil {
		return Decision{Verb: AskPeers, Reason: prefix + "named as the candidate; asking whether somebody leads"}
	}
	for _, p := range v.Peers {
		switch {
		case p.Reachable && p.Primary:
			return Decision{Verb: Wait, Again: raceAgain, Reason: fmt.Sprintf("%snamed as the candidate, but %s still runs as primary", prefix, p.Name)}
		case p.fit() && p.Timeline > v.Instance.Timeline && !v.standbyCluster() && (v.Settings.Pause || !v.leavesOut(p.Name)):
			return Decision{Verb: Wait, Again: raceAgain, Reason: fmt.Sprintf("%snamed as the candidate, but %s is on the newer timeline %d", prefix, p.Name, p.Timeline)}
		}
	}
	return Decision{Verb: Acquire, Reason: fmt.Sprintf("%snamed as the candidate, at %v of %v", prefix, v.Instance.Position(), v.Cluster.Status.Optime)}
}

// requestRules are the leader's.
func requestRules() []Rule {
	leading := func(v *View) bool { return v.holds() && v.Instance.Primary() }
	return []Rule{
		{
			Name: "hand-over-unreadable",
			Doc:  "The request for a switchover cannot be read: it is dropped.",
			When: func(v *View) bool {
				return leading(v) && v.readable() && !v.Cluster.Failover.Pending() && v.Cluster.Failover.Problem != ""
			},
			Then: func(v *View) Decision {
				return Decision{Verb: ClearFailover, Reason: "the request cannot be read: " + v.Cluster.Failover.Problem}
			},
		},
		{
			Name: "hand-over-stale",
			Doc:  "A scheduled switchover was missed by more than one and a half loop_wait: it is dropped.",
			When: func(v *View) bool {
				f, ok := v.request()
				return (leading(v) || v.leadsStandby()) && ok && v.missed(f)
			},
			Then: func(v *View) Decision {
				return Decision{Verb: ClearFailover, Reason: fmt.Sprintf("the switchover scheduled at %s was missed", v.Cluster.Failover.ScheduledAt.Format(time.RFC3339))}
			},
		},
		{
			Name: "hand-over",
			Doc:  "An operator asked for a switchover or failover: hand over to the candidate, or refuse with the reason.",
			When: func(v *View) bool { _, ok := v.request(); return leading(v) && ok },
			Then: handOver,
		},
	}
}

// handOver decides on the operator's request, which is due.
func handOver(v *View) Decision {
	f, _ := v.request()
	switch {
	case f.Leader != "" && f.Leader != v.Self:
		return Decision{Verb: ClearFailover, Reason: fmt.Sprintf("the request names leader %s, but the leader is %s", f.Leader, v.Self)}
	case f.Candidate == v.Self:
		return Decision{Verb: ClearFailover, Reason: "the candidate is already the leader"}
	case v.Settings.Pause && f.Candidate == "":
		return Decision{Verb: ClearFailover, Reason: "in pause a switchover needs a candidate"}
	case v.Peers == nil:
		return Decision{Verb: AskPeers, Reason: "switchover requested; looking at the candidates"}
	}
	limit := v.Instance.Position()
	if v.Settings.MaximumLagOnFailover < limit {
		limit -= v.Settings.MaximumLagOnFailover
	} else {
		limit = 0
	}
	if why := v.cannotHandOver(f, limit); why != "" {
		return Decision{Verb: ClearFailover, Reason: "no good candidate: " + why}
	}
	if name := bestCandidateFrom(v.receiversOnly(), f, limit); name != "" {
		verb := HandOver
		if v.standbyCluster() {
			verb = StepDown
		}
		return Decision{Verb: verb, Candidate: name, Reason: "switchover requested; " + name + " takes over"}
	}
	return Decision{Verb: ClearFailover, Reason: "no good candidate: " + whyNone(v, f, limit)}
}

// bestCandidate is the member that can take over from this node, "" if none:
// it answers, may lead and has the log up to the leader's last known
// position less the permitted lag.
func bestCandidate(v *View, optime cluster.LSN) string {
	limit := cluster.LSN(0)
	if optime > v.Settings.MaximumLagOnFailover {
		limit = optime - v.Settings.MaximumLagOnFailover
	}
	return bestCandidateFrom(v, cluster.Failover{Leader: v.Self}, limit)
}

// bestCandidateFrom picks the fit peer with the most log, then the higher
// priority, that the request f allows.
func bestCandidateFrom(v *View, f cluster.Failover, limit cluster.LSN) string {
	var best *Peer
	for i := range v.Peers {
		p := &v.Peers[i]
		if !v.allows(f, p.Name) || !p.fit() || p.Primary || p.Position < limit || p.olderThan(v.Instance.Timeline) {
			continue
		}
		if best == nil || p.Position > best.Position || (p.Position == best.Position && p.FailoverPriority > best.FailoverPriority) {
			best = p
		}
	}
	if best == nil {
		return ""
	}
	return best.Name
}

// whyNone says of each possible candidate why it is none.
func whyNone(v *View, f cluster.Failover, limit cluster.LSN) string {
	text := ""
	for _, p := range v.Peers {
		if f.Candidate != "" && p.Name != f.Candidate {
			continue
		}
		why := fmt.Sprintf("is at %v, which is behind %v", p.Position, limit)
		switch {
		case !v.allows(f, p.Name):
			why = "is not a synchronous standby"
		case !p.Reachable:
			why = "does not answer: " + p.Err
		case p.NoFailover:
			why = "is tagged nofailover"
		case p.WatchdogFailed:
			why = "has no working watchdog"
		case p.Primary:
			why = "runs as primary"
		case p.olderThan(v.Instance.Timeline):
			why = fmt.Sprintf("is on timeline %d, which is behind %d", p.Timeline, v.Instance.Timeline)
		case p.Position >= limit && !v.receives(p.Name):
			why = "does not receive the log at the moment"
		}
		if text != "" {
			text += "; "
		}
		text += p.Name + " " + why
	}
	if text == "" {
		return "there is no other member"
	}
	return text
}
