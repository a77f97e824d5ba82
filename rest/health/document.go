package health

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// CompatVersion is the version of Patroni's interface that is spoken; it is
// shown unless the member key says another.
const CompatVersion = "4.1.4"

// Document returns the status document: the body of GET health checks and of
// GET /patroni. It depends on s only, so it may be kept as long as s is
// current. Switches that are off are left out, never false: tools test for
// the presence of keys.
func Document(s *cluster.NodeStatus) *cluster.Object {
	o := &cluster.Object{}
	o.Set("state", string(state(s)))
	if s.Instance.Ready {
		o.Set("postmaster_start_time", timestamp(s.Instance.StartTime))
	}
	o.Set("role", string(role(s)))
	if s.Instance.Ready {
		setQueried(o, s)
	}
	setMemory(o, s)
	return o
}

// setQueried adds what only a running server can tell.
func setQueried(o *cluster.Object, s *cluster.NodeStatus) {
	i := &s.Instance
	o.Set("server_version", i.ServerVersion)
	o.Set("xlog", xlog(i))
	setTrue(o, "sync_standby", syncStandby(s))
	setTrue(o, "quorum_standby", quorumStandby(s))
	if i.Timeline > 0 {
		o.Set("timeline", int64(i.Timeline))
	} else {
		o.Set("timeline", nil)
	}
	if i.Standby && i.ReplicationState != "" {
		o.Set("replication_state", i.ReplicationState)
	}
	if len(i.Replication) > 0 {
		o.Set("replication", replication(i.Replication))
	}
}

// setMemory adds what the agent knows without asking PostgreSQL.
func setMemory(o *cluster.Object, s *cluster.NodeStatus) {
	setTrue(o, "pause", s.Settings.Pause)
	setTrue(o, "cluster_unlocked", s.Cluster == nil || s.Cluster.Leader == nil)
	setTrue(o, "failsafe_mode_is_active", s.FailsafeActive)
	seen := int64(0)
	if !s.LastSeen.IsZero() {
		seen = s.LastSeen.Unix()
	}
	o.Set("dcs_last_seen", seen)
	if tags := s.Tags.Published(); tags.Len() > 0 {
		o.Set("tags", tags.Object())
	}
	if s.Instance.SystemID != "" {
		o.Set("database_system_identifier", s.Instance.SystemID)
	}
	setTrue(o, "pending_restart", s.Instance.PendingRestart)
	if s.Instance.PendingRestart && s.Instance.PendingReason.Len() > 0 {
		o.Set("pending_restart_reason", s.Instance.PendingReason)
	}
	o.Set("patroni", patroni(s))
	if r := s.Member.ScheduledRestart; r.Len() > 0 {
		shown := r.Clone()
		shown.Delete("postmaster_start_time")
		o.Set("scheduled_restart", shown)
	}
	setTrue(o, "watchdog_failed", s.WatchdogFailed)
	if own := product(s); own.Len() > 0 {
		o.Set("pgregent", own)
	}
}

// xlog tells peers who is in recovery: location must be there on a primary
// and must be absent on a standby.
func xlog(i *cluster.Instance) *cluster.Object {
	o := &cluster.Object{}
	if !i.Standby {
		o.Set("location", int64(i.WriteLSN))
		return o
	}
	received := i.ReceiveLSN
	if received == 0 {
		received = i.ReplayLSN
	}
	o.Set("received_location", int64(received))
	o.Set("replayed_location", int64(i.ReplayLSN))
	o.Set("replayed_timestamp", timestamp(i.ReplayedAt))
	o.Set("paused", i.ReplayPaused)
	return o
}

func replication(senders []cluster.WALSender) []any {
	rows := make([]any, 0, len(senders))
	for _, w := range senders {
		row := &cluster.Object{}
		row.Set("usename", w.User)
		row.Set("application_name", w.ApplicationName)
		if w.ClientAddr != "" {
			row.Set("client_addr", w.ClientAddr)
		} else {
			row.Set("client_addr", nil) // a unix socket
		}
		row.Set("state", w.State)
		row.Set("sync_state", w.SyncState)
		row.Set("sync_priority", w.SyncPriority)
		rows = append(rows, row)
	}
	return rows
}

func patroni(s *cluster.NodeStatus) *cluster.Object {
	version := s.Member.Version
	if version == "" {
		version = CompatVersion
	}
	o := &cluster.Object{}
	o.Set("version", version)
	o.Set("scope", s.Scope)
	o.Set("name", s.Name)
	return o
}

// product is what this agent says beyond Patroni's document.
func product(s *cluster.NodeStatus) *cluster.Object {
	o := &cluster.Object{}
	for _, f := range []struct{ key, text string }{
		{"job", s.Job}, {"rule", s.Rule}, {"reason", s.Reason}, {"disk", s.Instance.DiskProblem},
	} {
		if f.text != "" {
			o.Set(f.key, f.text)
		}
	}
	if b := s.Build; b != nil {
		o.Set("build", Build(*b))
	}
	return o
}

// Build is how far a data directory is that is being made, and which methods
// did not work.
func Build(b cluster.Build) *cluster.Object {
	o := &cluster.Object{}
	o.Set("method", b.Method)
	o.Set("attempt", b.Attempt)
	if b.Phase != "" {
		o.Set("phase", b.Phase)
	}
	if b.Message != "" {
		o.Set("message", b.Message)
	}
	o.Set("bytes_done", b.Done)
	if b.Total > 0 {
		o.Set("bytes_total", b.Total)
		o.Set("percent", b.Percent())
	}
	o.Set("since", timestamp(b.Since))
	if len(b.Failed) > 0 {
		failed := make([]any, 0, len(b.Failed))
		for _, f := range b.Failed {
			row := &cluster.Object{}
			row.Set("method", f.Method)
			row.Set("reason", f.Reason)
			failed = append(failed, row)
		}
		o.Set("failed", failed)
	}
	return o
}

func setTrue(o *cluster.Object, key string, on bool) {
	if on {
		o.Set(key, true)
	}
}

// timestamp is PostgreSQL's spelling: a blank between date and time, six
// digits of fraction or none, the offset with a colon; null when unknown.
func timestamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return clock(t, " ")
}

func clock(t time.Time, separator string) string {
	t = t.Truncate(time.Microsecond)
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02" + separator + "15:04:05-07:00")
	}
	return t.Format("2006-01-02" + separator + "15:04:05.000000-07:00")
}
