package sim

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

// node is one host. It is guarded by world.mu.
type node struct {
	w    *world
	name string // the member's
	host string // the same, but for a twin
	dice dice
	// drift is the rate error of its clock, offset what it starts from.
	drift  float64
	offset time.Duration
	// wallOff is how far its wall clock is off.
	wallOff time.Duration
	tags    cluster.Tags
	boot    int
	// on means that the host has power; suspended that nothing on it runs.
	on        bool
	suspended bool
	onResume  []func()

	pg    *postgres
	fence *fenceProcess // nil if none runs
	proc  *process      // nil if none runs
	lives int
	lived []chan struct{} // one for each life, closed when it has ended
	// stopped means that nobody starts the agent.
	stopped bool
	// lax means that nobody stops PostgreSQL because of a pause.
	lax bool
	// spare is until when this node's agent and fence are not hurt both.
	spare time.Duration

	disk struct {
		session       *session
		spent         int64 // the session that a fence has killed for
		promise       decide.Promise
		promiseFor    time.Duration
		promiseBoot   int
		dynamic       *cluster.Object
		members       []cluster.Member
		bootstrapping bool
	}
}

// clockRate is how far a clock's rate may be off: the lease promises 2 %, for
// the host and the ensemble together.
const clockRate = 0.015

func newNode(w *world, i int) *node {
	name := "n" + strconv.Itoa(i)
	n := &node{w: w, name: name, host: name, on: true}
	n.dice = w.dice("node " + n.name)
	n.drift = (n.dice.Float64()*2 - 1) * clockRate
	n.offset = time.Hour * time.Duration(i+1)
	n.pg = newPostgres(n)
	n.tags = cluster.NewTags(&cluster.Object{})
	if i < len(w.setup.Tags) {
		n.tags = w.setup.Tags[i]
	}
	return n
}

// clock is the node's boot-time clock.
func (n *node) clock() lease.Instant {
	t := n.w.now()
	return lease.Instant(n.offset + t + time.Duration(float64(t)*n.drift))
}

// wall is the node's wall clock, read by this process.
func (p *process) wall() time.Time {
	p.gate()
	p.n.w.mu.Lock()
	defer p.n.w.mu.Unlock()
	return time.Now().Add(p.n.wallOff)
}

// until is the virtual time from now to that instant of the node's clock,
// rounded up.
func (n *node) until(i lease.Instant) time.Duration {
	d := float64(i.Sub(n.clock())) / (1 + n.drift)
	return max(time.Duration(d)+time.Microsecond, 0)
}

// process is one life of an agent.
type process struct {
	n      *node
	id     string
	log    *slog.Logger
	cancel context.CancelFunc
	// stopEdges ends the store, which outlives the agent's loop.
	stopEdges context.CancelFunc
	agent     *agent.Agent
	store     *client
	fence     *fencePort

	died chan struct{} // closed when it was killed
	done chan struct{} // closed when nothing of it runs any more

	// Guarded by world.mu:
	dead   bool
	frozen chan struct{} // closed when it goes on; nil: it runs
	// stopping means that it was asked to end.
	stopping bool
	// config is the newest configuration that it has read, paused means that it says so,
	// resumes is how often it has learned that a pause is over, and thawed is when it last went on after it had stood still.
	config  *cluster.Object
	paused  bool
	resumes int
	thawed  time.Duration
	// answered is when each member has last told how it is.
	answered map[string]time.Duration
}

// gate holds a frozen process up. It reports false to a dead one, which must
// do nothing any more.
func (p *process) gate() bool {
	for {
		p.n.w.mu.Lock()
		wait, dead := p.frozen, p.dead
		p.n.w.mu.Unlock()
		if dead {
			return false
		}
		if wait == nil {
			return true
		}
		<-wait
	}
}

func (p *process) isDead() bool {
	p.n.w.mu.Lock()
	defer p.n.w.mu.Unlock()
	return p.dead
}

// clock is the node's clock, read by this process.
func (p *process) clock() lease.Instant {
	p.gate()
	p.n.w.mu.Lock()
	defer p.n.w.mu.Unlock()
	return p.n.clock()
}

// start begins a life of the agent. w.mu is held.
func (n *node) start() {
	if n.proc != nil || !n.on || n.stopped || n.w.ended {
		return
	}
	n.lives++
	p := &process{n: n, id: n.host + "#" + strconv.Itoa(n.lives), died: make(chan struct{}), done: make(chan struct{}), answered: map[string]time.Duration{}}
	p.log = slog.New(&logHandler{p: p})
	if n.suspended {
		p.frozen = make(chan struct{})
	}
	cached := n.disk.dynamic
	first := cached
	if first == nil {
		first = n.w.setup.Config
	}
	settings, _ := cluster.ParseSettings(first)
	if p.config = cached; cached != nil {
		p.paused = isPaused(cached) // it goes by that until it has read the key
		n.lax = n.lax || p.paused
	}
	p.store = newClient(p, settings.TTL, settings.RetryTimeout)
	p.fence = &fencePort{p: p}
	n.proc = p
	n.lived = append(n.lived, p.done)
	n.pg.known = false
	if !n.pg.running && n.pg.state != cluster.StateStopped {
		n.pg.state = cluster.StateStopped // a new agent does not know better
	}
	n.w.note(n.name, "agent starts")
	promised := n.disk.promise
	if n.disk.promiseBoot != n.boot && promised.To != "" {
		promised.Until = n.clock().Add(n.disk.promiseFor)
	}
	interrupted := n.disk.bootstrapping
	go p.live(agent.Options{
		Name: n.name, Scope: "sim", InstanceID: p.id,
		ConnURL: "postgres://" + n.host + ":5432/postgres", APIURL: "http://" + n.host + ":8008/patroni",
		BootstrapConfig: n.bootstrapConfig(), Settings: cluster.ParseSettings,
		Interrupted: interrupted, Bootstrapping: p.setBootstrapping,
		CachedConfig: cached, SaveConfig: p.saveConfig,
		CachedMembers: n.disk.members, SaveMembers: p.saveMembers,
		Fence: p.fence, FenceRequired: true,
		Promised: promised, SavePromise: p.savePromise,
		Clock: p.clock, Wall: p.wall, Tags: n.tags, Store: p.store, Postgres: &pgPort{p: p, pg: n.pg}, Peers: &peers{p: p}, Logger: p.log,
	})
}

// live runs the agent until it ends.
func (p *process) live(o agent.Options) {
	n, w := p.n, p.n.w
	ctx, cancel := context.WithCancel(context.Background())
	edges, stopEdges := context.WithCancel(context.Background())
	w.locked(func() {
		p.cancel, p.stopEdges = cancel, stopEdges
		if p.dead {
			cancel()
			stopEdges()
		}
	})
	a := agent.New(o)
	w.locked(func() { p.agent = a })
	stored := make(chan struct{})
	go func() { p.store.run(edges); close(stored) }()
	err := a.Run(ctx)
	if err == nil && p.gate() && !a.Status().Settings.Pause { // else it is for the next start
		p.store.close()
	}
	stopEdges()
	<-stored
	w.locked(func() {
		if !p.dead {
			w.note(n.name, "agent ends: %v", err)
			p.bury()
			if err != nil { // the service manager starts it again
				w.after(n.dice.between(time.Second, 5*time.Second), n.start)
			}
		}
	})
	cancel()
	close(p.done)
}

// bury takes a process off its node.
func (p *process) bury() {
	p.dead = true
	if p.n.proc == p {
		p.n.proc = nil
	}
	if p.n.fence != nil {
		p.n.fence.agentGone(p)
	}
	p.store.dropFromEverywhere()
}

// kill ends the agent without any word. w.mu is held.
func (p *process) kill() {
	if p.dead {
		return
	}
	p.n.w.note(p.n.name, "agent is killed")
	p.bury()
	p.thaw()
	close(p.died)
	if p.cancel != nil {
		p.cancel()
		p.stopEdges()
	}
}

// freeze and thaw are SIGSTOP and SIGCONT. w.mu is held.
func (p *process) freeze() {
	if p.frozen == nil && !p.dead {
		p.frozen = make(chan struct{})
		p.n.w.note(p.n.name, "agent is frozen")
	}
}

func (p *process) thaw() {
	if p.frozen != nil {
		close(p.frozen)
		p.frozen, p.thawed = nil, p.n.w.now()
		if !p.dead {
			p.n.w.note(p.n.name, "agent goes on")
		}
	}
}

// suspend stops everything on the host, resume lets it go on, the fence
// first. w.mu is held.
func (n *node) suspend() {
	n.w.note(n.name, "host is suspended")
	n.pg.settle()
	for _, other := range n.w.nodes {
		other.pg.settle() // with what this host has confirmed
	}
	n.pg.advance()
	n.suspended = true
	if n.proc != nil {
		n.proc.freeze()
	}
	n.pg.update()
}

func (n *node) resume() {
	if !n.suspended {
		return
	}
	n.w.note(n.name, "host is resumed")
	if f := n.fence; f != nil {
		f.resumeFirst()
	}
	n.suspended = false
	list := n.onResume
	n.onResume = nil
	for _, f := range list {
		f()
	}
	if n.proc != nil {
		n.proc.thaw()
	}
	n.pg.update()
}

// resumeFirst is the fence's turn before anybody else's on its host.
func (f *fenceProcess) resumeFirst() {
	if order, why := f.m.Next(f.n.clock()); order != 0 && why != 0 {
		f.n.w.note(f.n.name, "the fence kills on waking: %s", why)
		f.m.Killed(why)
		f.n.pg.killAll()
	}
	f.due = 0
	f.arm()
}

// powerOff ends everything on the host; its disk stays.
func (n *node) powerOff() {
	if !n.on {
		return
	}
	n.w.note(n.name, "host loses power")
	n.on = false
	n.boot++
	if n.proc != nil {
		n.proc.kill()
	}
	if n.fence != nil {
		n.fence.over, n.fence = true, nil
	}
	n.pg.killAll()
	n.pg.state = cluster.StateStopped
}

func (n *node) powerOn() {
	if !n.on {
		n.on = true
		n.w.note(n.name, "host starts")
		n.start()
	}
}

func (p *process) setBootstrapping(now bool) error {
	if p.gate() {
		p.n.w.locked(func() { p.n.disk.bootstrapping = now })
	}
	return nil
}

func (p *process) saveConfig(o *cluster.Object) {
	if p.gate() {
		p.n.w.locked(func() { p.n.disk.dynamic = o })
	}
}

func (p *process) saveMembers(list []cluster.Member) {
	if p.gate() {
		p.n.w.locked(func() { p.n.disk.members = list })
	}
}

func (p *process) savePromise(d decide.Promise, after time.Duration) error {
	p.n.w.locked(func() {
		p.n.disk.promise, p.n.disk.promiseFor, p.n.disk.promiseBoot = d, after, p.n.boot
		p.n.w.promised(p.n, d)
	})
	return nil
}
