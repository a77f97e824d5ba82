package rest

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/rest/health"
)

// Collector shows the published status under Patroni's metric names: those of
// 3.1 and of 4.1, where they differ. It reads memory only.
func Collector(status func() *cluster.NodeStatus) prometheus.Collector {
	return &collector{status, metrics()}
}

type collector struct {
	status  func() *cluster.NodeStatus
	metrics []metric
}

// metric is one line. value reports false where the line is left out.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(m measured) (float64, bool)
}

// measured is a status with what several metrics need of it.
type measured struct {
	*cluster.NodeStatus
	role cluster.Role
	doc  *cluster.Object
}

// stateNumbers are the values of patroni_postgres_state, in order.
var stateNumbers = []cluster.State{
	cluster.StateInitializing, "initdb failed", "running custom bootstrap script", "custom bootstrap failed",
	cluster.StateCreatingReplica, cluster.StateRunning, cluster.StateStarting, "starting after custom bootstrap",
	"start failed", cluster.StateRestarting, "restart failed", cluster.StateStopping, cluster.StateStopped, "stop failed", cluster.StateCrashed,
}

func metrics() []metric {
	var out []metric
	add := func(kind prometheus.ValueType, name, help string, value func(m measured) (float64, bool)) {
		out = append(out, metric{prometheus.NewDesc(name, help, []string{"scope", "name"}, nil), kind, value})
	}
	number := func(kind prometheus.ValueType, name, help string, value func(m measured) float64) {
		add(kind, name, help, func(m measured) (float64, bool) { return value(m), true })
	}
	gauge := func(name, help string, value func(m measured) float64) {
		number(prometheus.GaugeValue, "patroni_"+name, help, value)
	}
	flag := func(name, help string, value func(m measured) bool) {
		gauge(name, help, func(m measured) float64 { return one(value(m)) })
	}
	counter := func(name, help string, value func(i cluster.Instance) cluster.LSN) {
		number(prometheus.CounterValue, "patroni_"+name, help, func(m measured) float64 {
			if !m.Instance.Ready {
				return 0
			}
			return float64(value(m.Instance))
		})
	}
	gauge("version", "Patroni semver without periods, of the interface that is spoken.", func(m measured) float64 { return versionNumber(health.CompatVersion) })
	flag("postgres_running", "1 if PostgreSQL is running.", func(m measured) bool { return health.State(m.NodeStatus) == cluster.StateRunning })
	gauge("postmaster_start_time", "Epoch seconds since PostgreSQL started.", func(m measured) float64 { return epoch(m.Instance.Ready, m.Instance.StartTime) })
	for _, name := range []string{"master", "primary"} {
		flag(name, "1 if this node is the leader.", func(m measured) bool { return m.role == cluster.RolePrimary })
	}
	counter("xlog_location", "Current location of the log, 0 if this node is a standby.", func(i cluster.Instance) cluster.LSN {
		if i.Standby {
			return 0
		}
		return i.WriteLSN
	})
	flag("standby_leader", "1 if this node leads a standby cluster.", func(m measured) bool { return m.role == cluster.RoleStandbyLeader })
	flag("replica", "1 if this node is a standby.", func(m measured) bool { return m.role == cluster.RoleReplica })
	flag("sync_standby", "1 if this node is a synchronous standby.", func(m measured) bool { return m.doc.Has("sync_standby") })
	flag("quorum_standby", "1 if this node is a standby of the quorum.", func(m measured) bool { return m.doc.Has("quorum_standby") })
	counter("xlog_received_location", "Current location of the received log.", func(i cluster.Instance) cluster.LSN { return received(i) })
	counter("xlog_replayed_location", "Current location of the replayed log.", func(i cluster.Instance) cluster.LSN { return replayed(i) })
	gauge("xlog_replayed_timestamp", "Time of the last replayed transaction, 0 if none.", func(m measured) float64 { return epoch(m.Instance.Ready, m.Instance.ReplayedAt) })
	flag("xlog_paused", "1 if replay is paused.", func(m measured) bool { return m.Instance.Ready && m.Instance.ReplayPaused })
	for _, r := range []struct{ name, state string }{{"postgres_streaming", "streaming"}, {"postgres_in_archive_recovery", "in archive recovery"}} {
		add(prometheus.GaugeValue, "patroni_"+r.name, "1 if PostgreSQL is "+r.state+"; not there while it does not answer.", func(m measured) (float64, bool) {
			return one(m.Instance.ReplicationState == r.state), m.Instance.Ready
		})
	}
	gauge("postgres_server_version", "Version of PostgreSQL, 0 if it does not answer.", func(m measured) float64 { return ready(m, float64(m.Instance.ServerVersion)) })
	flag("cluster_unlocked", "1 if the cluster is unlocked, as far as this node can see.", func(m measured) bool { return m.doc.Has("cluster_unlocked") })
	flag("failsafe_mode_is_active", "1 if failsafe mode is active.", func(m measured) bool { return m.FailsafeActive })
	gauge("postgres_timeline", "Timeline of PostgreSQL, 0 if it is not known.", func(m measured) float64 { return ready(m, float64(m.Instance.Timeline)) })
	gauge("dcs_last_seen", "Epoch seconds when ZooKeeper was last read.", func(m measured) float64 { return float64(int64(epoch(true, m.LastSeen))) })
	flag("pending_restart", "1 if settings wait for a restart.", func(m measured) bool { return m.Instance.PendingRestart })
	flag("is_paused", "1 if the cluster is paused.", func(m measured) bool { return m.Settings.Pause })
	gauge("postgres_state", "State of PostgreSQL: "+stateLegend()+", -1=unknown.", stateNumber)
	number(prometheus.GaugeValue, "pgregent_status_age_seconds", "Age of the status that health checks answer from.", func(m measured) float64 {
		return lease.Now().Sub(lease.Instant(m.PublishedAt)).Seconds()
	})
	return out
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	st := c.status()
	if st == nil {
		return
	}
	now := measured{st, health.Role(st), health.Document(st)}
	for _, m := range c.metrics {
		if v, ok := m.value(now); ok {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, v, st.Scope, st.Name)
		}
	}
}

func one(v bool) float64 {
	if v {
		return 1
	}
	return 0
}

func ready(m measured, v float64) float64 {
	if !m.Instance.Ready {
		return 0
	}
	return v
}

func received(i cluster.Instance) cluster.LSN {
	if !i.Standby {
		return 0
	}
	if i.ReceiveLSN == 0 {
		return i.ReplayLSN
	}
	return i.ReceiveLSN
}

func replayed(i cluster.Instance) cluster.LSN {
	if !i.Standby {
		return 0
	}
	return i.ReplayLSN
}

func epoch(known bool, t time.Time) float64 {
	if !known || t.IsZero() {
		return 0
	}
	return float64(t.UnixMicro()) / 1e6
}

// versionNumber pads each part to two digits: 4.1.4 is 40104.
func versionNumber(version string) float64 {
	n := 0
	for part := range strings.SplitSeq(version, ".") {
		p, _ := strconv.Atoi(part) // a constant of ours
		n = n*100 + p
	}
	return float64(n)
}

func stateNumber(m measured) float64 {
	for n, s := range stateNumbers {
		if s == health.State(m.NodeStatus) {
			return float64(n)
		}
	}
	return -1
}

func stateLegend() string {
	var out []string
	for n, s := range stateNumbers {
		out = append(out, strconv.Itoa(n)+"="+string(s))
	}
	return strings.Join(out, ", ")
}
