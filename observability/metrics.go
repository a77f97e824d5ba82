package observability

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pgregent/pgregent/core/cluster"
)

// Snapshot is what one scrape shows: all of it of one moment, and none of it
// by I/O.
type Snapshot struct {
	Scope, Member, Version, Revision string
	At                               time.Time
	// Status is what the agent last published; nil: not known.
	Status *cluster.NodeStatus

	// LeaseHeld and LeaseRemaining (until the soft deadline; negative when
	// it has passed) are of the right to be primary.
	LeaseHeld      bool
	LeaseRemaining time.Duration
	// Renewals are answered proofs of the lease, RenewalLatency of the last.
	Renewals int64
	// MissedRenewals were due and got no answer.
	MissedRenewals int64
	RenewalLatency time.Duration
	// SessionTimeout is what ZooKeeper granted; 0 without a session.
	SessionTimeout time.Duration

	// FenceReady means that a fence process is connected. FenceStarts counts
	// the processes started or taken over, FenceKills how often the present
	// one killed PostgreSQL because the lease was over, FenceKillsGone because
	// the agent was gone, GuardKills how often the agent itself did.
	FenceReady              bool
	FenceStarts, FenceKills int64
	FenceKillsGone          int64
	GuardKills              int64

	// Primary, Running and Paused describe the local PostgreSQL and the cluster.
	Primary, Running, Paused bool
	// StoreReads are keys read from ZooKeeper, StoreDials connections tried,
	// StoreLate connections dropped because an answer was overdue.
	StoreReads, StoreDials, StoreLate int64
	// SpansExported and SpansDropped are of tracing, RecordsDropped entries of
	// the record of failovers that there was no room for.
	SpansExported, SpansDropped, RecordsDropped int64
	// Decisions counts rounds of the loop in which the rule changed.
	Decisions int64

	// Building means that a data directory is being made: BuildDone of
	// BuildTotal bytes, 0 if not known.
	Building              bool
	BuildDone, BuildTotal int64
	// Builds and BuildFailures count runs of methods that are plugins,
	// PluginRestarts plugins that were started again.
	Builds, BuildFailures, PluginRestarts int64
	Callbacks, CallbackFailures           int64
	Routes, RouteFailures                 int64
}

// Metrics returns the handler of GET /metrics, which calls now once a scrape.
// more are collectors of others.
func Metrics(now func() Snapshot, phases *Phases, more ...prometheus.Collector) http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(more...)
	reg.MustRegister(newCollector(now), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reg.MustRegister(phases.collectors()...)
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true, Timeout: 5 * time.Second})
}

type collector struct {
	now      func() Snapshot
	descs    []metric
	labelled labelled
}

func newCollector(now func() Snapshot) *collector {
	return &collector{now: now, descs: describe(), labelled: newLabelled()}
}

// metric is one time series of a Snapshot.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(Snapshot) float64
}

func describe() []metric {
	gauge := func(name, help string, v func(Snapshot) float64) metric {
		return metric{desc: prometheus.NewDesc("pgregent_"+name, help, []string{"scope", "name"}, nil), kind: prometheus.GaugeValue, value: v}
	}
	counter := func(name, help string, v func(Snapshot) float64) metric {
		m := gauge(name, help, v)
		m.kind = prometheus.CounterValue
		return m
	}
	fenceKills := func(reason string, v func(Snapshot) float64) metric {
		desc := prometheus.NewDesc("pgregent_fence_kills_total", "How often the present fence process killed PostgreSQL, and why.", []string{"scope", "name"}, prometheus.Labels{"reason": reason})
		return metric{desc: desc, kind: prometheus.CounterValue, value: v}
	}
	return []metric{
		gauge("lease_held", "1 if this node owns the leader znode.", func(s Snapshot) float64 { return b(s.LeaseHeld) }),
		gauge("lease_remaining_seconds", "Time until this node would start to demote without another renewal; 0 without a lease.", func(s Snapshot) float64 { return s.LeaseRemaining.Seconds() }),
		counter("lease_renewals_total", "Committed writes that proved the lease.", func(s Snapshot) float64 { return float64(s.Renewals) }),
		counter("lease_missed_renewals_total", "Renewals of the lease that were due and got no answer.", func(s Snapshot) float64 { return float64(s.MissedRenewals) }),
		gauge("lease_renewal_latency_seconds", "How long ZooKeeper took for the last renewal.", func(s Snapshot) float64 { return s.RenewalLatency.Seconds() }),
		gauge("zookeeper_session_timeout_seconds", "Session timeout that ZooKeeper granted; 0 without a session.", func(s Snapshot) float64 { return s.SessionTimeout.Seconds() }),
		gauge("fence_ready", "1 if a fence process is connected.", func(s Snapshot) float64 { return b(s.FenceReady) }),
		counter("fence_starts_total", "Fence processes started, or taken over from a former agent.", func(s Snapshot) float64 { return float64(s.FenceStarts) }),
		fenceKills("lease over", func(s Snapshot) float64 { return float64(s.FenceKills) }),
		fenceKills("agent gone", func(s Snapshot) float64 { return float64(s.FenceKillsGone) }),
		counter("guard_kills_total", "How often the agent itself killed PostgreSQL at the hard deadline.", func(s Snapshot) float64 { return float64(s.GuardKills) }),
		gauge("primary", "1 if the local PostgreSQL runs as primary.", func(s Snapshot) float64 { return b(s.Primary) }),
		gauge("postgres_running", "1 if the local PostgreSQL runs.", func(s Snapshot) float64 { return b(s.Running) }),
		gauge("paused", "1 if the cluster is paused.", func(s Snapshot) float64 { return b(s.Paused) }),
		counter("zookeeper_reads_total", "Keys read from ZooKeeper.", func(s Snapshot) float64 { return float64(s.StoreReads) }),
		counter("zookeeper_dials_total", "Connections to ZooKeeper tried by the present session.", func(s Snapshot) float64 { return float64(s.StoreDials) }),
		counter("zookeeper_late_total", "Connections dropped by the present session because an answer was overdue.", func(s Snapshot) float64 { return float64(s.StoreLate) }),
		gauge("replay_lag_bytes", "What this standby has not replayed of the log that it knows of.", replayLagBytes),
		gauge("replay_lag_seconds", "How old the newest transaction is that this standby has replayed, 0 if it has replayed all.", replayLagSeconds),
		counter("trace_spans_exported_total", "Spans that the collector has taken.", func(s Snapshot) float64 { return float64(s.SpansExported) }),
		counter("trace_spans_dropped_total", "Spans that never reached the collector.", func(s Snapshot) float64 { return float64(s.SpansDropped) }),
		counter("records_dropped_total", "Entries of the record of failovers that there was no room for.", func(s Snapshot) float64 { return float64(s.RecordsDropped) }),
		gauge("building", "1 if a data directory is being made.", func(s Snapshot) float64 { return b(s.Building) }),
		gauge("build_done_bytes", "How much of the data directory is made, by the method's own count.", func(s Snapshot) float64 { return float64(s.BuildDone) }),
		gauge("build_size_bytes", "Expected size of the data directory that is being made; 0 if not known.", func(s Snapshot) float64 { return float64(s.BuildTotal) }),
		counter("builds_total", "Runs of replica and bootstrap methods that are plugins.", func(s Snapshot) float64 { return float64(s.Builds) }),
		counter("build_failures_total", "Runs of such methods that failed.", func(s Snapshot) float64 { return float64(s.BuildFailures) }),
		counter("plugin_restarts_total", "Plugins that ended by themselves and were started again.", func(s Snapshot) float64 { return float64(s.PluginRestarts) }),
		counter("callbacks_total", "Callbacks that were called, scripts and plugins.", func(s Snapshot) float64 { return float64(s.Callbacks) }),
		counter("callback_failures_total", "Callbacks that failed.", func(s Snapshot) float64 { return float64(s.CallbackFailures) }),
		counter("routes_total", "Routes told to routers.", func(s Snapshot) float64 { return float64(s.Routes) }),
		counter("route_failures_total", "Routes that a router did not take.", func(s Snapshot) float64 { return float64(s.RouteFailures) }),
		counter("decisions_total", "Decisions of the agent that differed from the one before.", func(s Snapshot) float64 { return float64(s.Decisions) }),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.descs {
		ch <- m.desc
	}
	for _, d := range c.labelled.descs() {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.now()
	if s.Status == nil {
		s.Status = &cluster.NodeStatus{}
	}
	for _, m := range c.descs {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(s), s.Scope, s.Member)
	}
	c.labelled.collect(s, func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{s.Scope, s.Member}, labels...)...)
	})
}

func b(v bool) float64 {
	if v {
		return 1
	}
	return 0
}
