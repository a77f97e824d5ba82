package health

import (
	"github.com/pgregent/pgregent/core/cluster"
)

// ClusterDocument returns the body of GET /cluster for a fresh view. Roles
// and states follow from the leader and sync keys; what members say of their
// role is not used.
func ClusterDocument(c *cluster.Cluster, scope string) *cluster.Object {
	settings, _ := cluster.ParseSettings(c.Config.Object)
	members := make([]any, 0, len(c.Members))
	for i := range c.Members {
		members = append(members, memberRow(c, settings, &c.Members[i]))
	}
	o := &cluster.Object{}
	o.Set("members", members)
	setTrue(o, "pause", settings.Pause)
	if f := c.Failover; !f.ScheduledAt.IsZero() {
		planned := &cluster.Object{}
		planned.Set("at", clock(f.ScheduledAt, "T"))
		if f.Leader != "" {
			planned.Set("from", f.Leader)
		}
		if f.Candidate != "" {
			planned.Set("to", f.Candidate)
		}
		o.Set("scheduled_switchover", planned)
	}
	o.Set("scope", scope)
	return o
}

func memberRow(c *cluster.Cluster, s cluster.Settings, m *cluster.Member) *cluster.Object {
	r := memberRole(c, s, m.Name)
	o := &cluster.Object{}
	o.Set("name", m.Name)
	o.Set("role", r)
	o.Set("state", memberState(r, m.Data))
	if m.Data.APIURL != "" {
		o.Set("api_url", m.Data.APIURL)
	} else {
		o.Set("api_url", nil)
	}
	if host, port, ok := m.Data.Address(); ok {
		o.Set("host", host)
		o.Set("port", port)
	}
	copyFacts(o, m.Data)
	if m.Name != c.LeaderName() {
		setLag(o, c.Status.Optime, m.Data)
	}
	return o
}

func copyFacts(o *cluster.Object, d cluster.MemberData) {
	if d.Timeline > 0 {
		o.Set("timeline", int64(d.Timeline))
	}
	setTrue(o, "pending_restart", d.PendingRestart)
	if d.PendingRestart && d.PendingRestartReason.Len() > 0 {
		o.Set("pending_restart_reason", d.PendingRestartReason)
	}
	if d.ScheduledRestart.Len() > 0 {
		o.Set("scheduled_restart", d.ScheduledRestart)
	}
	if d.Tags.Len() > 0 {
		o.Set("tags", d.Tags.Object())
	}
	if d.Build.Len() > 0 {
		own := &cluster.Object{}
		own.Set("build", d.Build)
		o.Set("pgregent", own)
	}
}

func memberRole(c *cluster.Cluster, s cluster.Settings, name string) string {
	standby := hasUpstream(c.Config.Object)
	switch {
	case name == c.LeaderName() && standby:
		return string(cluster.RoleStandbyLeader)
	case name == c.LeaderName():
		return "leader"
	case standby || !c.Sync.HasStandby(name):
		return string(cluster.RoleReplica)
	case s.SynchronousMode == "on":
		return "sync_standby"
	case s.SynchronousMode == "quorum":
		return "quorum_standby"
	}
	return string(cluster.RoleReplica)
}

func memberState(role string, d cluster.MemberData) string {
	if role != "leader" && d.ReplicationState != "" {
		return d.ReplicationState
	}
	return string(d.State)
}

// setLag adds how far a member is behind. Unknown positions are the text
// "unknown": tools fail on a missing key and on null.
func setLag(o *cluster.Object, optime cluster.LSN, d cluster.MemberData) {
	for _, p := range []struct {
		lag, lsn string
		at       cluster.LSN
	}{
		{"receive_lag", "receive_lsn", d.ReceiveLSN},
		{"replay_lag", "replay_lsn", d.ReplayLSN},
		{"lag", "lsn", d.XLogLocation},
	} {
		if p.at == 0 {
			o.Set(p.lag, "unknown")
			o.Set(p.lsn, "unknown")
			continue
		}
		o.Set(p.lag, max(behind(optime, p.at), 0))
		o.Set(p.lsn, p.at.String())
	}
}
