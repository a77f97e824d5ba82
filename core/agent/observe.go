package agent

import (
	"context"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// loadLimit bounds one look at the store: a store that is slower than this
// counts as unreachable in this round, and the lease decides what follows.
const loadLimit = 1500 * time.Millisecond

// silentLimit is that bound while the store is known not to answer: its
// return is an event, which is not to be waited for here.
const silentLimit = 50 * time.Millisecond

// observeLimit bounds one look at PostgreSQL.
const observeLimit = 2500 * time.Millisecond

// observeStore reads the view. Errors become part of the state.
func (a *Agent) observeStore(ctx context.Context) {
	s := &a.s
	now := a.now()
	if now.Sub(s.readAt) >= s.settings.LoopWait {
		a.o.Store.Invalidate()
		s.readAt = now
		if a.o.SaveConfig != nil && s.dynamic.Len() > 0 {
			a.o.SaveConfig(s.dynamic)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, a.loadLimit(now))
	defer cancel()
	c, err := a.o.Store.Load(ctx)
	if err != nil {
		if s.storeErr == "" {
			a.log.Warn("store does not answer", "err", err)
		}
		s.storeErr = err.Error()
		s.unlockedSince = 0
		return
	}
	if s.storeErr != "" || s.cluster == nil {
		a.log.Info("store answers", "members", len(c.Members), "leader", c.LeaderName())
	}
	s.storeErr, s.lastSeen = "", a.wall()
	a.noteTiming()
	changed := c != s.cluster
	s.seenSystemID = s.seenSystemID || c.SystemID() != ""
	a.endInterruption(c)
	a.noteLeader(c, now)
	s.cluster = c
	if changed {
		a.views.signal()
	}
}

// endInterruption takes note that the cluster of an interrupted bootstrap is
// complete, for the next start too: it must never be undone any more.
func (a *Agent) endInterruption(c *cluster.Cluster) {
	if !a.s.interrupted || c.SystemID() == "" {
		return
	}
	if err := a.o.Bootstrapping(false); err != nil {
		a.log.Warn("note the end of the bootstrap", "err", err)
	}
	a.s.interrupted = false
}

// loadLimit leaves a leader at its soft deadline no time to wait.
func (a *Agent) loadLimit(now lease.Instant) time.Duration {
	limit := loadLimit
	if a.s.storeErr != "" {
		limit = silentLimit
	}
	if l := a.o.Store.Lease(); l.Held() {
		limit = min(limit, max(l.Remaining(now), silentLimit))
	}
	return limit
}

// noteTiming says what the session timeout that was granted means, whenever
// it changes for a leader.
func (a *Agent) noteTiming() {
	l := a.o.Store.Lease()
	if !l.Held() || l.Params == a.s.timing {
		return
	}
	a.s.timing = l.Params
	t := lease.TimingOf(l.Params)
	attrs := []any{
		"ttl", a.s.settings.TTL, "granted", l.Timeout, "tick_time", l.Tick, "demote_after", t.Demote.Round(time.Millisecond),
		"kill_after", t.Kill.Round(time.Millisecond), "zookeeper_outage_survived", t.Outage.Round(time.Millisecond), "worst_failover", t.Failover,
	}
	if t.TooShort {
		a.log.Warn("the session timeout is too short for this tick_time: an ordinary hiccup of ZooKeeper demotes the primary; raise ttl, or the servers' maxSessionTimeout", attrs...)
		return
	}
	a.log.Info("timing of the lease", attrs...)
}

// noteLeader tracks since when the lock is free and logs its owner.
func (a *Agent) noteLeader(c *cluster.Cluster, now lease.Instant) {
	s := &a.s
	if c.Leader != nil {
		if s.lastEpoch != c.Leader.Epoch {
			s.lastTimeline = 0
		}
		s.unlockedSince, s.lastEpoch = 0, c.Leader.Epoch
		if m := c.LeaderMember(); m != nil {
			s.lastTimeline = max(s.lastTimeline, m.Data.Timeline)
		}
		a.rememberMembers(c.Members)
	} else if s.unlockedSince == 0 {
		s.unlockedSince = now
	}
	if old := s.cluster.LeaderName(); old != c.LeaderName() {
		a.log.Info("leader changed", "leader", c.LeaderName(), "was", old)
	}
	for _, f := range c.Findings {
		if s.cluster == nil || len(s.cluster.Findings) != len(c.Findings) {
			a.log.Warn("store holds a value that cannot be used", "finding", f)
		}
	}
}

// adoptSettings takes over a changed dynamic configuration and, when no job
// is in its way, gives it to PostgreSQL.
func (a *Agent) adoptSettings(ctx context.Context) {
	s := &a.s
	if s.cluster != nil && s.cluster.Config.Object != nil && s.cluster.Config.Object != s.dynamic {
		first := s.dynamic == nil || s.dynamic.String() != s.cluster.Config.Object.String()
		s.dynamic = s.cluster.Config.Object
		if first {
			settings, warnings := a.o.Settings(s.dynamic)
			for _, w := range warnings {
				a.log.Warn("dynamic configuration", "finding", w)
			}
			s.settings = settings
			a.o.Store.SetTimeouts(settings.TTL, settings.RetryTimeout)
			s.configured = nil
		}
	}
	a.paused.Store(s.settings.Pause)
	if s.configured == nil && s.dynamic != nil && s.job == nil && s.joined {
		s.configured = s.dynamic
		dynamic := s.dynamic
		a.startJob(ctx, "reload", false, func(ctx context.Context, _ *job) outcome {
			return outcome{err: a.o.Postgres.Configure(ctx, dynamic), quiet: true}
		})
	}
}

// killOrphans ends what a postmaster that vanished has left behind: its
// backends still answer clients, and may commit.
func (a *Agent) killOrphans() {
	if a.s.settings.Pause {
		return
	}
	if err := a.o.Postgres.Kill(); err != nil {
		a.log.Error("kill what is left of PostgreSQL", "err", err)
	}
}

// observePostgres looks at the local server.
func (a *Agent) observePostgres(ctx context.Context) {
	s := &a.s
	ctx, cancel := context.WithTimeout(ctx, observeLimit)
	defer cancel()
	i := a.o.Postgres.Observe(ctx)
	if !s.looked {
		s.looked, s.adoptedPid = true, i.Pid
		if i.Running {
			a.log.Info("adopted a running PostgreSQL", "pid", i.Pid, "standby", i.Standby)
		}
	}
	if i.Running && i.Ready {
		s.startFailed = false
		s.unfinished = s.unfinished && s.job != nil
	}
	if !a.o.Store.Lease().Held() {
		s.promoteFailed = false
	} else {
		s.adoptedPid, s.reinit = 0, nil // this agent leads now
	}
	if s.instance.Running && !i.Running && !s.job.replaces() {
		a.killOrphans()
	}
	if s.instance.State != i.State {
		a.log.Info("PostgreSQL", "state", i.State, "was", s.instance.State, "pid", i.Pid)
	}
	a.noteDisk(s.instance.DiskProblem, i.DiskProblem)
	s.instance = i
	closed := s.job != nil && s.job.closed.Load()
	a.setWritable((i.Primary() && !closed) || (s.job != nil && s.job.primary.Load()))
	a.observed.Store(true)
	if s.won && i.Ready && (i.Primary() || s.settings.StandbyCluster != nil) {
		s.won = false
	}
}

// noteDisk tells when PostgreSQL cannot write any more, and when it can again.
func (a *Agent) noteDisk(was, now string) {
	switch {
	case now != "" && was == "":
		a.log.Error("PostgreSQL cannot write", "reason", now)
	case now == "" && was != "":
		a.log.Info("PostgreSQL can write again", "was", was)
	}
}
