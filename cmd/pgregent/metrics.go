package main

import (
	"time"

	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/observability"
)

// snapshot gathers what a scrape shows, from memory.
func (n *node) snapshot() observability.Snapshot {
	st, l, stats, counts := n.agent.Status(), n.store.Lease(), n.store.Stats(), n.agent.Counts()
	s := observability.Snapshot{
		Scope: st.Scope, Member: st.Name, Version: version, Revision: commit, At: time.Now(), Status: st,
		StoreReads: stats.Reads, StoreDials: stats.Wire.Dials, StoreLate: stats.Wire.Late,
		SpansExported: n.record.tracing.Exported(), SpansDropped: n.record.tracing.Dropped(), RecordsDropped: n.record.Dropped(),
		LeaseHeld: l.Held(), LeaseRemaining: l.Remaining(lease.Now()),
		Renewals: stats.Renewals, MissedRenewals: stats.Missed, RenewalLatency: stats.Commit, SessionTimeout: stats.Granted,
		GuardKills: counts.GuardKills, FenceStarts: counts.FenceStarts, Decisions: counts.Decisions,
		Primary: st.Instance.Ready && st.Instance.Primary(), Running: st.Instance.Running, Paused: st.Settings.Pause,
	}
	p := n.host.Counts()
	s.Builds, s.BuildFailures, s.PluginRestarts = p.Builds, p.BuildFailures, p.Restarts
	s.Callbacks, s.CallbackFailures, s.Routes, s.RouteFailures = p.Callbacks, p.CallbackFailures, p.Routes, p.RouteFailures
	if b := n.postgres.Build(); b != nil {
		s.Building, s.BuildDone, s.BuildTotal = true, b.Done, b.Total
	}
	if n.fence != nil {
		last := n.fence.Last()
		s.FenceReady, s.FenceKills, s.FenceKillsGone = n.fence.Ready(), int64(last.Kills-last.Gone), int64(last.Gone)
	}
	return s
}
