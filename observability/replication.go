package observability

import (
	"maps"
	"runtime"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgregent/pgregent/core/cluster"
)

// maxSeries bounds series per WAL sender or slot of one scrape: a label that
// somebody else names must not grow without end.
const maxSeries = 100

// labelled are the series that have a label of their own.
type labelled struct {
	lag, lagReplay, slot, build, setting, method *prometheus.Desc
}

func newLabelled() labelled {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("pgregent_"+name, help, append([]string{"scope", "name"}, labels...), nil)
	}
	return labelled{
		lag:       d("replication_flush_lag_bytes", "What a standby has not flushed of this server's log, by its application_name.", "standby"),
		lagReplay: d("replication_replay_lag_bytes", "What a standby has not replayed of this server's log, by its application_name.", "standby"),
		slot:      d("slot_behind_bytes", "How far the position of a replication slot is behind this leader's log, which is kept for it.", "slot"),
		build:     d("build_info", "1; how this agent was built.", "version", "revision", "goversion"),
		method:    d("build_method", "1 for the method that makes the data directory now, and which attempt of all methods it is.", "method", "attempt"),
		setting:   d("setting", "Settings of the dynamic configuration that timing and failover depend on; seconds and bytes.", "setting"),
	}
}

func (l labelled) descs() []*prometheus.Desc {
	return []*prometheus.Desc{l.lag, l.lagReplay, l.slot, l.build, l.setting, l.method}
}

func (l labelled) collect(s Snapshot, emit func(d *prometheus.Desc, v float64, labels ...string)) {
	emit(l.build, 1, s.Version, s.Revision, runtime.Version())
	if s.Status == nil {
		return
	}
	if n := s.Status.Build; n != nil {
		emit(l.method, 1, n.Method, strconv.Itoa(n.Attempt))
	}
	set := s.Status.Settings
	emit(l.setting, set.TTL.Seconds(), "ttl")
	emit(l.setting, set.LoopWait.Seconds(), "loop_wait")
	emit(l.setting, set.RetryTimeout.Seconds(), "retry_timeout")
	emit(l.setting, float64(set.MaximumLagOnFailover), "maximum_lag_on_failover")
	emit(l.setting, b(set.Synchronous()), "synchronous_mode")
	i := s.Status.Instance
	if !i.Ready || !i.Primary() {
		return
	}
	seen := map[string]bool{} // pg_basebackup and others may share a name
	for _, w := range i.Replication {
		if seen[w.ApplicationName] || len(seen) >= maxSeries {
			continue
		}
		seen[w.ApplicationName] = true
		emit(l.lag, behind(i.WriteLSN, w.FlushLSN), w.ApplicationName)
		emit(l.lagReplay, behind(i.WriteLSN, w.ReplayLSN), w.ApplicationName)
	}
	slots := s.Status.LastStatus.Slots
	for n, name := range slices.Sorted(maps.Keys(slots)) {
		if n < maxSeries {
			emit(l.slot, behind(i.WriteLSN, slots[name]), name)
		}
	}
}

func behind(leader, other cluster.LSN) float64 {
	if other >= leader {
		return 0
	}
	return float64(leader - other)
}

// replayLagSeconds is how old the newest transaction is that a standby has
// replayed, 0 if it has replayed all that it knows of.
func replayLagSeconds(s Snapshot) float64 {
	if s.Status == nil {
		return 0
	}
	i := s.Status.Instance
	if !i.Ready || !i.Standby || i.ReplayedAt.IsZero() || i.ReplayLSN >= max(i.ReceiveLSN, i.LatestEndLSN) {
		return 0
	}
	return max(s.At.Sub(i.ReplayedAt).Seconds(), 0)
}

// replayLagBytes is what a standby has not replayed of what it knows of.
func replayLagBytes(s Snapshot) float64 {
	if s.Status == nil || !s.Status.Instance.Ready || !s.Status.Instance.Standby {
		return 0
	}
	i := s.Status.Instance
	return behind(max(i.ReceiveLSN, i.LatestEndLSN), i.ReplayLSN)
}
