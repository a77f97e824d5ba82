package decide

import (
	"fmt"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

func leaderRules() []Rule {
	leading := func(v View) bool { return v.holds() && v.Instance.Primary() }
	return []Rule{
		{
			Name: "hand-over-stale",
			Doc:  "A scheduled switchover was missed by more than one and a half loop_wait: it is dropped.",
			When: func(v View) bool {
				f, ok := v.request()
				return leading(v) && ok && !f.ScheduledAt.IsZero() && v.Wall.After(f.ScheduledAt.Add(v.Settings.LoopWait*3/2))
			},
			Then: func(v View) Decision {
				return Decision{Verb: ClearFailover, Reason: fmt.Sprintf("the switchover scheduled at %s was missed", v.Cluster.Failover.ScheduledAt.Format(time.RFC3339))}
			},
		},
		{
			Name: "hand-over",
			Doc:  "An operator asked for a switchover or failover: hand over to the candidate, or refuse with the reason.",
			When: func(v View) bool { _, ok := v.request(); return leading(v) && ok },
			Then: handOver,
		},
		{
			Name: "restart",
			Doc:  "An operator asked for a restart.",
			When: func(v View) bool { return v.Restart && v.Instance.Running },
			Then: func(View) Decision { return Decision{Verb: Restart, Reason: "restart requested"} },
		},
		{
			Name: "promote-failed-request",
			Doc:  "This node took the lock for a requested switchover and could not be promoted: the request is dropped, so that it does not name this node again.",
			When: func(v View) bool {
				f, ok := v.request()
				return v.holds() && v.standby() && v.PromoteFailed && ok && f.Leader != v.Self
			},
			Then: func(v View) Decision {
				return Decision{Verb: ClearFailover, Reason: "the promotion failed: " + v.LastError}
			},
		},
		{
			Name: "promote-failed",
			Doc:  "This node took the lock and could not be promoted: somebody else gets the chance, or it tries again.",
			When: func(v View) bool { return v.holds() && v.standby() && v.PromoteFailed },
			Then: func(v View) Decision {
				return giveWay(v, Decision{Verb: Promote, Reason: "promotion failed and nobody else can take over"})
			},
		},
		{
			Name: "leader-start-timeout",
			Doc:  "The leader's PostgreSQL was started and did not come up within primary_start_timeout.",
			When: func(v View) bool { return v.holds() && v.Instance.Running && !v.Instance.Ready && v.StartFailed },
			Then: func(v View) Decision { return giveWay(v, wait("the start takes long and nobody else can take over")) },
		},
		{
			Name: "promote",
			Doc:  "This node holds the lock and is in recovery: promote.",
			When: func(v View) bool { return v.holds() && v.standby() },
			Then: func(v View) Decision {
				return Decision{Verb: Promote, Reason: "holds the leader lock of epoch " + fmt.Sprint(int64(v.Lease.Epoch))}
			},
		},
		{
			Name: "lead",
			Doc:  "This node is the leader: it goes on and does the leader's housekeeping.",
			When: leading,
			Then: func(v View) Decision {
				if v.StoreErr != "" {
					return Decision{Verb: Wait, Again: v.Lease.Remaining(v.Now), Reason: "leader; the store does not answer, the lease holds for " + v.Lease.Remaining(v.Now).Round(100*time.Millisecond).String()}
				}
				if NextSync(v).Verb == SyncWait {
					return Decision{Verb: Lead, Again: syncAgain, Reason: "I am " + v.Self + ", the leader with the lock"}
				}
				return Decision{Verb: Lead, Reason: "I am " + v.Self + ", the leader with the lock"}
			},
		},
		{
			Name: "leader-starting",
			Doc:  "The lock holder's PostgreSQL runs but does not answer yet.",
			When: func(v View) bool { return v.Lease.Held() },
			Then: func(v View) Decision {
				return Decision{Verb: Wait, Again: 200 * time.Millisecond, Reason: "holds the lock; PostgreSQL does not answer yet: " + v.Instance.Err}
			},
		},
	}
}

// handOver decides on the operator's request, which is due.
func handOver(v View) Decision {
	f, _ := v.request()
	switch {
	case f.Leader != "" && f.Leader != v.Self:
		return Decision{Verb: ClearFailover, Reason: fmt.Sprintf("the request names leader %s, but the leader is %s", f.Leader, v.Self)}
	case f.Candidate == v.Self:
		return Decision{Verb: ClearFailover, Reason: "the candidate is already the leader"}
	case v.Peers == nil:
		return Decision{Verb: AskPeers, Reason: "switchover requested; looking at the candidates"}
	}
	limit := v.Instance.WriteLSN
	if v.Settings.MaximumLagOnFailover < limit {
		limit -= v.Settings.MaximumLagOnFailover
	} else {
		limit = 0
	}
	if why := v.cannotHandOver(f, limit); why != "" {
		return Decision{Verb: ClearFailover, Reason: "no good candidate: " + why}
	}
	if name := bestCandidateFrom(v, f, limit); name != "" {
		return Decision{Verb: HandOver, Candidate: name, Reason: "switchover requested; " + name + " takes over"}
	}
	return Decision{Verb: ClearFailover, Reason: "no good candidate: " + whyNone(v, f, limit)}
}

// bestCandidate is the member that can take over from this node, "" if none:
// it answers, may lead and has the log up to the leader's last known
// position less the permitted lag.
func bestCandidate(v View, optime cluster.LSN) string {
	limit := cluster.LSN(0)
	if optime > v.Settings.MaximumLagOnFailover {
		limit = optime - v.Settings.MaximumLagOnFailover
	}
	return bestCandidateFrom(v, cluster.Failover{Leader: v.Self}, limit)
}

// bestCandidateFrom picks the fit peer with the most log, then the higher
// priority, that the request f allows.
func bestCandidateFrom(v View, f cluster.Failover, limit cluster.LSN) string {
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
func whyNone(v View, f cluster.Failover, limit cluster.LSN) string {
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
