package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

// state is what the loop remembers between rounds. Only the loop touches it.
type state struct {
	started lease.Instant
	turnAt  lease.Instant // when this round began to look
	timing  lease.Params  // of the lease, as last told
	joined  bool
	former  int64 // the session of the agent before this one; 0: none left

	cluster  *cluster.Cluster
	storeErr string
	lastSeen time.Time
	readAt   lease.Instant // of the last full look at the store

	// dynamic is the configuration in force; configured is what PostgreSQL
	// was last given.
	dynamic    *cluster.Object
	settings   cluster.Settings
	configured *cluster.Object
	tags       cluster.Tags
	// published are the tags of the member key, made of those before.
	published struct{ of, tags cluster.Tags }

	instance   cluster.Instance
	looked     bool
	adoptedPid int

	job     *job
	jobDone chan outcome
	last    decide.Decision

	backoff     lease.Instant
	failures    int
	lastError   string
	startFailed bool
	fatal       error

	unlockedSince lease.Instant
	lastEpoch     cluster.Epoch
	lastTimeline  cluster.Timeline // that its leader told last
	// lastMembers are those of the last view that had a leader. Some may have
	// lost their key since, and still have the most log.
	lastMembers []cluster.Member
	handedOver  lease.Instant
	won         bool

	// verdict is about the leadership and timeline in verdictOf.
	verdict       cluster.Divergence
	verdictReason string
	verdictOf     leadership
	verdictAt     lease.Instant
	remoteAsked   lease.Instant // when the server outside last could not tell

	promoteFailed bool
	// unfinished is set by work that takes PostgreSQL down, until it runs
	// again.
	unfinished   bool
	rewindTries  int
	seenSystemID bool
	interrupted  bool

	scheduled *scheduledRestart

	// leave means that Leave was called; stays is why it has not ended yet.
	leave bool
	stays string

	restart *request
	reinit  *request
	slots   slotNews
	herald  herald

	member      cluster.MemberData
	memberSetAt lease.Instant
	memberErr   string
}

// leadership identifies what a verdict on divergence is about.
type leadership struct {
	epoch    cluster.Epoch
	timeline cluster.Timeline
	pid      int
	// starting means that the server ran and did not answer: more of its log
	// may show when it does.
	starting bool
	// remote is the server outside; "" outside of a standby cluster.
	remote string
}

func newState(o Options) state {
	s := state{started: o.Clock(), jobDone: make(chan outcome, 1), tags: o.Tags, interrupted: o.Interrupted}
	s.dynamic, s.lastMembers = o.CachedConfig, o.CachedMembers
	if s.dynamic == nil {
		s.dynamic = o.BootstrapConfig
	}
	s.settings, _ = o.Settings(s.dynamic)
	return s
}

// command changes the state from inside the loop.
type command func(*state)

// broadcast wakes everybody who waits for a new view.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

// next returns a channel that is closed at the next signal.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) signal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}

// view gathers what the decision core may look at.
func (a *Agent) view() *decide.View {
	s := &a.s
	v := &decide.View{
		Now: a.now(), Wall: a.wall(), Self: a.o.Name,
		Cluster: s.cluster, StoreErr: s.storeErr, Instance: s.instance,
		Lease: a.o.Store.Lease(), Settings: s.settings, Tags: s.tags,
		CanBootstrap: a.o.BootstrapConfig != nil,
		Backoff:      s.backoff, LastError: s.lastError, StartFailed: s.startFailed,
		Started: s.started, Adopted: s.instance.Pid != 0 && s.instance.Pid == s.adoptedPid,
		UnlockedSince: s.unlockedSince, LastEpoch: s.lastEpoch, LastTimeline: s.lastTimeline, HandedOver: s.handedOver, Won: s.won,
		RewindFailed: s.rewindTries >= rewindTries, PromoteFailed: s.promoteFailed,
		SeenInitialized: s.seenSystemID, Interrupted: s.interrupted,
		Sync:    a.syncer.memory(),
		Restart: s.restart != nil, Reinit: s.reinit != nil, Former: s.former,
	}
	v.Failsafe, v.Promise = a.failsafe.right(), a.promises.current()
	v.WatchdogErr = a.watchdogErr()
	v.FenceRequired = a.o.Fence != nil && a.o.FenceRequired
	v.FenceLost = a.feeder.missing()
	v.AdoptedUntil = lease.Instant(a.feeder.adoptedUntil.Load())
	if s.job != nil {
		v.Job = &decide.Job{Kind: s.job.kind, Since: s.job.since, Primary: s.job.primary.Load(), Stopping: s.job.stopping}
	}
	if a.currentLeadership() == s.verdictOf {
		v.Divergence, v.DivergenceReason = s.verdict, s.verdictReason
	}
	v.WithLast = s.withLast()
	if s.slots.pid == s.instance.Pid {
		v.CopySlots = s.slots.copy
	}
	a.aboutRemote(v)
	v.ReinitFromLeader = s.reinit != nil && s.reinit.fromLeader
	v.Unfinished, v.Role = s.unfinished, a.role()
	if s.scheduled != nil {
		v.Scheduled = &s.scheduled.ScheduledRestart
	}
	v.WithoutLeader = a.o.WithoutLeader != nil && a.o.WithoutLeader()
	v.FollowsTarget = !a.o.Postgres.Wants(decide.Target(v))
	return v
}

// currentLeadership is what a verdict taken now would be about. The pid
// stands for "the same running server, or none".
func (a *Agent) currentLeadership() leadership {
	if sc := a.s.settings.StandbyCluster; sc != nil {
		return leadership{pid: a.s.instance.Pid, remote: sc.Host + ":" + sc.Port}
	}
	c := a.s.cluster
	if c == nil || c.Leader == nil {
		return leadership{}
	}
	l := leadership{epoch: c.Leader.Epoch, pid: a.s.instance.Pid, starting: a.s.instance.Running && !a.s.instance.Ready}
	if m := c.LeaderMember(); m != nil {
		l.timeline = m.Data.Timeline
	}
	return l
}

// withLast reports that the verdict is on the leadership that was seen last, of
// the server that still runs, on the timeline that it is on.
func (s *state) withLast() bool {
	return s.lastEpoch != 0 && s.instance.Pid != 0 && s.verdict == cluster.DivergenceNone &&
		s.verdictOf == leadership{epoch: s.lastEpoch, timeline: s.instance.Timeline, pid: s.instance.Pid}
}

// askPeers adds the other members' answers, and then looks at the local
// position again: a position taken after the answers is not behind a peer
// that streams from the same server.
func (a *Agent) askPeers(ctx context.Context, v *decide.View) *decide.View {
	var others []cluster.Member
	for _, m := range v.Cluster.Members {
		if m.Name != a.o.Name && m.Data.APIURL != "" {
			others = append(others, m)
		}
	}
	if v.Settings.FailsafeMode { // a primary that lost the store has no member key any more
		for name, url := range v.Cluster.Failsafe {
			if name != a.o.Name && v.Cluster.Member(name) == nil {
				others = append(others, cluster.Member{Name: name, Data: cluster.MemberData{APIURL: url}})
			}
		}
	}
	if v.Cluster.Leader == nil {
		for _, m := range a.s.lastMembers {
			known := slices.ContainsFunc(others, func(o cluster.Member) bool { return o.Name == m.Name })
			if m.Name != a.o.Name && !known && m.Data.APIURL != "" {
				others = append(others, m)
			}
		}
	}
	v.Peers = a.o.Peers.Ask(ctx, others)
	if v.Peers == nil {
		v.Peers = []decide.Peer{}
	}
	a.observePostgres(ctx)
	v.Instance, v.Now, v.Lease = a.s.instance, a.now(), a.o.Store.Lease()
	v.Failsafe, v.Promise = a.failsafe.right(), a.promises.current()
	return v
}
