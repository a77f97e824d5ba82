package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

// CompatVersion is the interface version that member keys and the REST API
// give: readers branch on it, so it is Patroni's, not ours.
const CompatVersion = "4.1.4"

// lookEvery is how often the local PostgreSQL is looked at without any event.
// It bounds how old the replication lag is that health checks answer with;
// starts, stops and promotions, also by hand, are events.
const lookEvery = 2 * time.Second

// Options are what an Agent needs.
type Options struct {
	Name       string
	Scope      string
	InstanceID string
	// ConnURL and APIURL are published in the member key.
	ConnURL  string
	APIURL   string
	ProxyURL string
	Tags     cluster.Tags
	// BootstrapConfig is the first dynamic configuration; nil means that
	// this node never bootstraps a cluster.
	BootstrapConfig *cluster.Object
	// Settings merges the dynamic configuration with what is set locally. Its
	// second result is one sentence for each value not used as written.
	Settings func(dynamic *cluster.Object) (cluster.Settings, []string)
	// Interrupted means that the last run of this agent was cut off while it
	// made the cluster. Bootstrapping notes, or clears, that it does so now.
	Interrupted   bool
	Bootstrapping func(now bool) error
	// CachedConfig is the dynamic configuration that was last in force here,
	// used until the store answers; may be nil.
	CachedConfig *cluster.Object
	// SaveConfig keeps the dynamic configuration in force for the next start.
	// It is called every loop_wait and should do nothing when nothing changed.
	SaveConfig func(*cluster.Object)

	// CachedMembers are those that this node last saw beside a leader, until
	// the store answers. SaveMembers keeps them for the next start, whenever
	// they change; both may be nil.
	CachedMembers []cluster.Member
	SaveMembers   func([]cluster.Member)

	// Fence is nil if there is to be none. FenceRequired means that this
	// node does not lead without.
	Fence         Fence
	FenceRequired bool

	// Watchdog is nil if there is to be none. WatchdogRequired means that
	// this node does not lead without.
	Watchdog         Watchdog
	WatchdogRequired bool

	// Promised is what a former agent of this node promised a leader that
	// lost the store. SavePromise keeps a promise that ends after that time;
	// it may be nil.
	Promised    decide.Promise
	SavePromise func(p decide.Promise, after time.Duration) error

	// Turned is called by the loop after each complete round; it must not
	// block. It may be nil.
	Turned func()

	// Clock reads the boot-time clock; nil means lease.Now. The simulation
	// has another, which can stand still for one node.
	Clock func() lease.Instant
	// Wall reads the wall clock, which only schedules follow; nil means
	// time.Now.
	Wall func() time.Time

	// Recorder is told what happens around a change of leaders; nil: nobody is.
	// Former is what it knows of the agent before this one, nil if that ended
	// in order or did not lead. Evidence looks at the host; may be nil.
	Recorder Recorder
	Former   *Former
	Evidence func() Evidence
	// Site is nil if nothing is to be told of events. PrePromote may veto a
	// promotion; Reloads counts the reloads of the server; Build is the data
	// directory that is being made; WithoutLeader reports that one can be made
	// without a running server. They may be nil.
	Site          Site
	PrePromote    func(context.Context) error
	Reloads       func() int64
	Build         func() *cluster.Build
	WithoutLeader func() bool

	Store    Store
	Postgres Postgres
	// Pinger notices a PostgreSQL that hangs between two looks; nil: nobody
	// does.
	Pinger Pinger
	Peers  Peers
	Logger *slog.Logger
}

// Agent runs one member of the cluster.
type Agent struct {
	o   Options
	log *slog.Logger

	wake     chan struct{}
	commands chan command
	status   atomic.Pointer[cluster.NodeStatus]
	views    broadcast

	// writable means that PostgreSQL may accept writes, and is set by
	// setWritable; paused that nobody is to be stopped. The guard reads both,
	// and sleeps until onGuard has a value while the first is false.
	writable atomic.Bool
	onGuard  chan struct{}
	paused   atomic.Bool
	// apiURL is what the member key gives as api_url; a string.
	apiURL atomic.Value
	// observed means that the local PostgreSQL has been looked at once.
	observed atomic.Bool
	// checkpointPending is set from a promotion until its checkpoint is done.
	checkpointPending atomic.Bool
	// ledBy is by which rule, and why, the lock was last taken; a string.
	ledBy atomic.Value
	// leaving means that this standby is about to stop in order.
	leaving  atomic.Bool
	counters counters
	keeper   *housekeeper
	memory   *memory
	syncer   *syncer
	feeder   *feeder
	failsafe *failsafe
	watcher  *watcher
	story    *story
	promises promises

	s state
}

// counters are what is counted for metrics.
type counters struct{ decisions, guardKills, fenceStarts atomic.Int64 }

// Counts are what an Agent has done since its start.
type Counts struct{ Decisions, GuardKills, FenceStarts int64 }

// Counts reads the counters.
func (a *Agent) Counts() Counts {
	return Counts{a.counters.decisions.Load(), a.counters.guardKills.Load(), a.counters.fenceStarts.Load()}
}

// ErrFatal wraps the reasons for which an agent ends by itself.
var ErrFatal = errors.New("cannot go on")

// ErrTwin means that another live agent has the same session: a copy of its
// state_dir was started. The session must not be closed.
var ErrTwin = errors.New("state_dir is a copy of a running agent's; remove it")

// New makes an Agent; Run runs it.
func New(o Options) *Agent {
	if o.Clock == nil {
		o.Clock = lease.Now
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	a := &Agent{
		o: o, log: o.Logger,
		wake: make(chan struct{}, 1), commands: make(chan command, 16), onGuard: make(chan struct{}, 1),
	}
	a.keeper = newHousekeeper(a)
	a.memory = newMemory(a)
	a.syncer = newSyncer(a)
	a.feeder = newFeeder(a)
	a.failsafe = &failsafe{a: a, allowed: make(chan struct{}, 1)}
	a.watcher = &watcher{a: a}
	a.story = &story{a: a, former: o.Former}
	a.promises.given = o.Promised
	a.apiURL.Store(o.APIURL)
	a.s = newState(o)
	a.publishInitial()
	return a
}

// now is the instant on this node's boot-time clock.
func (a *Agent) now() lease.Instant { return a.o.Clock() }
func (a *Agent) wall() time.Time    { return a.o.Wall() }

// Wake makes the loop look again now.
func (a *Agent) Wake() {
	signal(a.wake)
}

// Run turns the loop until ctx ends; then it stops PostgreSQL in order and
// releases the lock (unless the cluster is paused) and returns nil. After
// Leave it ends with ErrLeft. It
// returns an error that wraps ErrFatal when this node must not go on; then
// PostgreSQL is left as it is.
func (a *Agent) Run(ctx context.Context) error {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	defer a.answerAll(errStopping)
	go a.guard(work)
	go a.feeder.run(work)
	<-a.feeder.found        // what it found decides how an adopted primary is treated
	a.observePostgres(work) // the fence of an adopted primary is told before the store answers, which may take long
	go a.keeper.run(work)
	go a.memory.run(work)
	go a.syncer.run(work)
	go a.failsafe.run(work)
	go a.watcher.run(work)
	go a.noticeHang(work)
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		if a.leaves(ctx) {
			return ErrLeft
		}
		again, err := a.turn(work)
		if err != nil {
			return err
		}
		if a.o.Turned != nil {
			a.o.Turned()
		}
		timer.Reset(again)
		select {
		case <-ctx.Done():
			return a.shutdown(work)
		case <-timer.C:
		case <-a.wake:
		case <-a.o.Store.Changed():
		case <-a.o.Postgres.Events():
		case out := <-a.s.jobDone:
			a.finish(out)
		case c := <-a.commands:
			c(&a.s)
		}
	}
}

// turn is one round: observe, decide, act, publish. It returns when to look
// again at the latest.
func (a *Agent) turn(ctx context.Context) (time.Duration, error) {
	a.s.turnAt = a.now()
	a.observeStore(ctx)
	a.adoptSettings(ctx)
	if err := a.checkName(ctx); err != nil {
		return 0, err
	}
	a.observePostgres(ctx)
	a.announce()
	a.refuseRestartOfNothing()
	v := a.view()
	d := decide.Decide(v)
	for range 2 {
		if d.Verb != decide.AskPeers {
			break
		}
		v = a.askPeers(ctx, v)
		d = decide.Decide(v)
	}
	a.ensureCheckpoint(ctx, v)
	a.story.look(v, d)
	a.note(d)
	err := a.act(ctx, v, d)
	a.publish(ctx)
	if a.o.Recorder != nil {
		a.o.Recorder.Cycle(d.Rule, a.now().Sub(a.s.turnAt))
	}
	return a.nextLook(d), err
}

// nextLook bounds the wait for events by the decision's own wish, the regular
// look, and half of what is left of the lease: the published end of the lease
// must not pass while it is being renewed.
func (a *Agent) nextLook(d decide.Decision) time.Duration {
	again := lookEvery
	if d.Again > 0 {
		again = min(again, d.Again)
	}
	if left := a.untilSchedule(a.wall()); left > 0 {
		again = min(again, left)
	}
	if l := a.o.Store.Lease(); l.Held() {
		now := a.now()
		left := l.Remaining(now)
		if f := a.failsafe.right(); f.Carries(l, now) {
			left = max(left, f.Soft().Sub(now))
		}
		if left > 0 {
			again = min(again, max(left/2, 50*time.Millisecond))
		}
	}
	return max(again, 10*time.Millisecond)
}

// note logs a decision when it differs from the last one.
func (a *Agent) note(d decide.Decision) {
	level := slog.LevelDebug
	if d.Rule != a.s.last.Rule || d.Verb != a.s.last.Verb {
		level = slog.LevelInfo
		a.counters.decisions.Add(1)
	}
	a.s.last = d
	attrs := []slog.Attr{slog.String("verb", string(d.Verb)), slog.String("rule", d.Rule), slog.String("reason", d.Reason)}
	a.log.LogAttrs(context.Background(), level, "decision", attrs...)
}

// checkName refuses to run beside another agent of the same name. It needs
// the store once.
func (a *Agent) checkName(ctx context.Context) error {
	if a.s.joined || a.s.storeErr != "" {
		return nil
	}
	m := a.s.cluster.Member(a.o.Name)
	if m != nil && m.Data.APIURL != "" {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		alive, id := a.o.Peers.Alive(ctx, m.Data.APIURL)
		shared := m.Session == a.o.Store.SessionID()
		if alive && id != a.o.InstanceID && shared {
			a.quitFence() // it must not end a session that is somebody else's
			return fmt.Errorf("%w: Can't start; there is already a node named '%s' running at %s, and this one has found its session in state_dir: %w", ErrFatal, a.o.Name, m.Data.APIURL, ErrTwin)
		}
		if alive && id != a.o.InstanceID {
			return fmt.Errorf("%w: Can't start; there is already a node named '%s' running at %s", ErrFatal, a.o.Name, m.Data.APIURL)
		}
		if alive && !shared {
			a.inherit(m, id)
		}
	}
	a.s.joined = true
	return nil
}
