package decide

import (
	"slices"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// Outcome is what would happen if some members went down now.
type Outcome struct {
	// Leader is who would lead, "" if nobody could.
	Leader string
	// AtRisk is how many bytes of the leader's log nobody who could lead has:
	// what an unplanned failover would lose. In synchronous mode none of it
	// was acknowledged.
	AtRisk cluster.LSN
	// Fates are the members that stay, sorted by name.
	Fates []Fate
}

// Fate is what one member would do.
type Fate struct {
	Name string
	// Leads means that the member could take the lock. Of several, the one
	// that is faster does.
	Leads bool
	// Rule and Reason are those of the member's decision.
	Rule, Reason string
}

// WhatIf answers who would lead if the named members were down, from the
// leader's or a standby's view: each of the others is put before the lock that
// is free then, with what is known of it, and decides by the same rules.
func WhatIf(v View, down ...string) Outcome {
	if v.Cluster == nil {
		return Outcome{}
	}
	gone := func(name string) bool { return slices.Contains(down, name) }
	leader := v.leader()
	var out Outcome
	var best cluster.LSN
	for _, m := range v.Cluster.Members {
		if gone(m.Name) {
			continue
		}
		fate := Fate{Name: m.Name}
		if m.Name == leader {
			fate.Leads, fate.Rule, fate.Reason = true, "lead", "stays the leader"
		} else {
			d := imagine(&v, m, gone)
			fate.Leads, fate.Rule, fate.Reason = d.Verb == Acquire, d.Rule, d.Reason
		}
		if p := v.positionOf(m); fate.Leads && (out.Leader == "" || p > best) {
			out.Leader, best = m.Name, p
		}
		out.Fates = append(out.Fates, fate)
	}
	if gone(leader) {
		if last := v.lastPosition(); last > best {
			out.AtRisk = last - best
		}
	}
	if !gone(leader) && leader != "" {
		out.Leader = leader
	}
	return out
}

// imagine lets a member decide before the free lock.
func imagine(v *View, m cluster.Member, gone func(string) bool) Decision {
	c := *v.Cluster
	c.Leader, c.Failover, c.Members = nil, cluster.Failover{}, nil
	n := View{
		Now: v.Now, Wall: v.Wall, Self: m.Name, Cluster: &c, Settings: v.Settings, Tags: m.Data.Tags,
		Started: v.Started, UnlockedSince: v.Now, FollowsTarget: true, Peers: []Peer{},
		Instance: v.instanceOf(m), Lease: lease.Lease{},
	}
	if p := v.peer(m.Name); p != nil && p.WatchdogFailed {
		n.WatchdogErr = "the member says that it has no working watchdog"
	}
	for _, other := range v.Cluster.Members {
		if gone(other.Name) {
			continue
		}
		c.Members = append(c.Members, other)
		if other.Name != m.Name && other.Name != v.leader() {
			n.Peers = append(n.Peers, v.answerOf(other))
		}
	}
	return Decide(&n)
}

// instanceOf is what is known of a member's PostgreSQL.
func (v *View) instanceOf(m cluster.Member) cluster.Instance {
	if m.Name == v.Self && v.Instance.Standby {
		return v.Instance
	}
	p := v.positionOf(m)
	in := cluster.Instance{State: m.Data.State, SystemID: v.Cluster.SystemID(), Standby: true, Timeline: m.Data.Timeline, ReceiveLSN: p, ReplayLSN: p}
	in.Running = m.Data.State == cluster.StateRunning || m.Data.State == cluster.StateStarting
	in.Ready = m.Data.State == cluster.StateRunning
	if a := v.peer(m.Name); a != nil && !a.Reachable {
		in.Ready, in.Err = false, "the member does not answer: "+a.Err
	}
	return in
}

// answerOf is what a member would say of itself.
func (v *View) answerOf(m cluster.Member) Peer {
	if p := v.peer(m.Name); p != nil {
		return *p
	}
	return Peer{
		Name: m.Name, Reachable: m.Data.State == cluster.StateRunning, Position: v.positionOf(m), Timeline: m.Data.Timeline,
		NoFailover: m.Data.Tags.NoFailover(), FailoverPriority: m.Data.Tags.FailoverPriority(),
	}
}

func (v *View) peer(name string) *Peer {
	for i := range v.Peers {
		if v.Peers[i].Name == name {
			return &v.Peers[i]
		}
	}
	return nil
}

// positionOf is the newest that is known of a member's log.
func (v *View) positionOf(m cluster.Member) cluster.LSN {
	at := m.Data.XLogLocation
	if p := v.peer(m.Name); p != nil {
		at = max(at, p.Position)
	}
	if m.Name == v.Self {
		at = max(at, v.Instance.Position())
	}
	for _, w := range v.Instance.Replication {
		if w.ApplicationName == m.Name {
			at = max(at, w.FlushLSN)
		}
	}
	return at
}

// lastPosition is the newest that is known of the leader's log.
func (v *View) lastPosition() cluster.LSN {
	at := v.Cluster.Status.Optime
	if m := v.Cluster.LeaderMember(); m != nil {
		at = max(at, v.positionOf(*m))
	}
	return at
}
