package decide

import "github.com/pgregent/pgregent/core/cluster"

// requestDownRules are for an operator's request that meets a leader whose
// PostgreSQL is not up: it could not hand over in order, but need not be
// waited for either.
func requestDownRules() []Rule {
	return []Rule{
		{
			Name: "hand-over-starting",
			Doc:  "An operator asked for a switchover or failover while the leader's PostgreSQL is down or starts: a candidate takes over at once, or the request is refused with the reason.",
			When: func(v *View) bool {
				f, ok := v.request()
				return ok && v.readable() && v.holds() && !v.missed(f) && !v.Settings.Pause && !v.standbyCluster() && v.comingUp() &&
					(f.Leader == "" || f.Leader == v.Self)
			},
			Then: handOverStarting,
		},
	}
}

// comingUp reports a primary that is down or starts, by a job or by itself.
func (v *View) comingUp() bool {
	if v.Job != nil {
		return v.Job.Kind == "start primary" && !v.Job.Stopping
	}
	return !v.Instance.Ready && !v.Instance.Standby && v.Instance.SystemID != ""
}

// handOverStarting lets go of the lock if somebody has the log that the
// status key tells of, less the permitted lag.
func handOverStarting(v *View) Decision {
	f, _ := v.request()
	switch {
	case f.Candidate == v.Self:
		return Decision{Verb: ClearFailover, Reason: "the candidate is already the leader"}
	case v.Peers == nil:
		return Decision{Verb: AskPeers, Reason: "switchover requested while PostgreSQL starts; looking at the candidates"}
	}
	limit := cluster.LSN(0)
	if optime := v.Cluster.Status.Optime; optime > v.Settings.MaximumLagOnFailover {
		limit = optime - v.Settings.MaximumLagOnFailover
	}
	why := v.cannotHandOver(f, limit)
	name := bestCandidateFrom(v, f, limit)
	switch {
	case why != "":
		return Decision{Verb: ClearFailover, Reason: "no good candidate: " + why}
	case name == "":
		return Decision{Verb: ClearFailover, Reason: "no good candidate: " + whyNone(v, f, limit)}
	case v.Job != nil:
		return Decision{Verb: Abort, Immediate: true, Reason: "switchover requested while PostgreSQL starts; " + name + " takes over"}
	}
	return Decision{Verb: Release, Candidate: name, Reason: "switchover requested while PostgreSQL is down; " + name + " takes over"}
}
