package observability

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgregent/pgregent/core/record"
)

// Phases are the metrics that count what happens, beside the Snapshot of what
// is: failovers and their phases, rounds of the loop, calls of the edges.
type Phases struct {
	incidents *prometheus.CounterVec
	whole     *prometheus.HistogramVec
	phase     *prometheus.HistogramVec
	cycle     prometheus.Histogram
	rules     *prometheus.CounterVec
	store     *prometheus.HistogramVec
	sql       *prometheus.HistogramVec
	rest      *prometheus.HistogramVec
}

// NewPhases makes them for one member.
func NewPhases(scope, member string) *Phases {
	labels := prometheus.Labels{"scope": scope, "name": member}
	histogram := func(name, help string, buckets []float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{
			Name: "pgregent_" + name, Help: help, ConstLabels: labels, Buckets: buckets,
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
		}
	}
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: "pgregent_" + name, Help: help, ConstLabels: labels}
	}
	// From a lock released in order to a node that has to be copied anew.
	change := []float64{.01, .03, .1, .3, 1, 3, 10, 20, 30, 60, 300, 1800}
	call := []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10}
	p := &Phases{
		incidents: prometheus.NewCounterVec(counter("incidents_total", "Changes of leaders and other incidents that this member has brought to an end, by kind, cause and outcome (ok, failed)."), []string{"kind", "cause", "outcome"}),
		whole:     prometheus.NewHistogramVec(histogram("incident_duration_seconds", "Duration of incidents, from their cause to the first write that could be accepted.", change), []string{"kind"}),
		phase:     prometheus.NewHistogramVec(histogram("incident_phase_duration_seconds", "Duration of the phases of incidents on this member.", change), []string{"phase"}),
		cycle:     prometheus.NewHistogram(histogram("cycle_duration_seconds", "Duration of one round of the loop: observe, decide, act, publish.", call)),
		rules:     prometheus.NewCounterVec(counter("rules_fired_total", "Rounds of the loop by the rule of the decision core that decided."), []string{"rule"}),
		store:     prometheus.NewHistogramVec(histogram("zookeeper_operation_duration_seconds", "Duration of operations on ZooKeeper, retries included, by operation and outcome (ok, failed).", call), []string{"operation", "outcome"}),
		sql:       prometheus.NewHistogramVec(histogram("postgres_call_duration_seconds", "Duration of questions to the local PostgreSQL, by call.", call), []string{"call"}),
		rest:      prometheus.NewHistogramVec(histogram("rest_request_duration_seconds", "Duration of requests to the REST API, by route and class of the answer's code.", call), []string{"route", "code"}),
	}
	p.begin()
	return p
}

// begin makes the series that alerts look at: Prometheus sees no increase in
// one that comes into being with its first incident.
func (p *Phases) begin() {
	for kind, causes := range map[record.Kind][]record.Cause{
		record.Failover: {
			record.CauseManual, record.CauseStopped, record.CauseCrash, record.CauseCrashLoop, record.CauseDiskFull, record.CauseStartFailed, record.CauseAgentKilled,
			record.CauseAgentFrozen, record.CauseNodeLost, record.CauseStoreCut, record.CauseNetworkCut, record.CauseLostLock,
		},
		record.Switchover: {record.CauseSwitchover, record.CauseScheduled},
		record.Restart:    {record.CauseCrash, record.CauseCrashLoop, record.CauseDiskFull},
	} {
		for _, cause := range causes {
			p.incidents.WithLabelValues(string(kind), string(cause), "ok")
		}
	}
	for _, cause := range []record.Cause{record.CauseLag, record.CauseNoCandidate, record.CauseRequestInvalid} {
		p.incidents.WithLabelValues(string(record.Refusal), string(cause), "failed")
	}
}

func (p *Phases) collectors() []prometheus.Collector {
	return []prometheus.Collector{p.incidents, p.whole, p.phase, p.cycle, p.rules, p.store, p.sql, p.rest}
}

// phaseNames bound the label: other phases count as "other".
var phaseNames = map[record.Phase]bool{
	record.Detect: true, record.HandOver: true, record.Demote: true, record.Fence: true, record.Release: true, record.Race: true,
	record.Acquire: true, record.Promote: true, record.Write: true, record.Follow: true, record.History: true,
	"start primary": true, "start standby": true, "restart": true, "rewind": true, "clone": true, "repoint": true, "check divergence": true,
}

// Observe counts a phase that has ended. Its exemplar is the trace.
func (p *Phases) Observe(e record.Entry) {
	trace := prometheus.Labels{"trace_id": e.Trace.String()}
	took := max(e.Took().Seconds(), 0)
	if e.Phase == record.Change {
		outcome := "ok"
		if e.Err != "" || e.Kind == record.Refusal {
			outcome = "failed"
		}
		p.incidents.WithLabelValues(string(e.Kind), string(e.Cause), outcome).Inc()
		observe(p.whole.WithLabelValues(string(e.Kind)), took, trace)
		return
	}
	name := "other"
	if phaseNames[e.Phase] {
		name = string(e.Phase)
	}
	observe(p.phase.WithLabelValues(name), took, trace)
}

func observe(o prometheus.Observer, v float64, exemplar prometheus.Labels) {
	if with, ok := o.(prometheus.ExemplarObserver); ok {
		with.ObserveWithExemplar(v, exemplar)
		return
	}
	o.Observe(v)
}

// Cycle counts one round of the loop.
func (p *Phases) Cycle(rule string, took time.Duration) {
	p.rules.WithLabelValues(rule).Inc()
	p.cycle.Observe(took.Seconds())
}

// Store counts one operation on ZooKeeper.
func (p *Phases) Store(operation string, took time.Duration, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	p.store.WithLabelValues(operation, outcome).Observe(took.Seconds())
}

// Postgres counts one question to the local server.
func (p *Phases) Postgres(call string, took time.Duration) {
	p.sql.WithLabelValues(call).Observe(took.Seconds())
}

// REST counts one request. route is the pattern, never the path.
func (p *Phases) REST(route string, code int, took time.Duration) {
	class := "5xx"
	switch {
	case code < 300:
		class = "2xx"
	case code < 400:
		class = "3xx"
	case code < 500:
		class = "4xx"
	}
	p.rest.WithLabelValues(route, class).Observe(took.Seconds())
}
