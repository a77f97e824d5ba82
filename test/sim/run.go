package sim

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// Setup is what a seed draws before the run.
type Setup struct {
	Seed  uint64
	Nodes int
	// Tick is the ensemble's tickTime.
	Tick time.Duration
	// Config is the dynamic configuration, and Settings what it means.
	Config   *cluster.Object
	Settings cluster.Settings
	// Tags are the members' tags, by index.
	Tags []cluster.Tags
	// LostAnswers is the probability that the answer to a write is lost.
	LostAnswers float64
	// Faults is how long faults are injected.
	Faults time.Duration
	// Trace gets the transcript while it is made; nil: nobody does.
	Trace io.Writer
	// Keep puts the transcript into the result even if all is well.
	Keep bool
}

// Draw makes the setup of a seed.
func Draw(seed uint64) (Setup, error) {
	d := newDice(seed, "setup")
	ttl := pick(d, 5, 6, 8, 10, 10, 15, 20, 30, 30)
	tick := pick(d, 500*time.Millisecond, time.Second, 2*time.Second)
	if ttl < 8 {
		tick = min(tick, time.Second)
	}
	wait := 1 + d.IntN(max(ttl/3, 1))
	retry := max((ttl-wait)/2, 1)
	text := fmt.Sprintf(`{"ttl":%d,"loop_wait":%d,"retry_timeout":%d,"maximum_lag_on_failover":%d,"failsafe_mode":%v,"synchronous_mode":%s,"synchronous_mode_strict":%v,"synchronous_node_count":%d,`+
		`"primary_start_timeout":%d,"postgresql":{"use_pg_rewind":%v,"remove_data_directory_on_rewind_failure":true,"remove_data_directory_on_diverged_timelines":true}}`,
		ttl, wait, retry, pick(d, 1<<20, 1<<20, 200_000), d.chance(0.4), pick(d, `"off"`, `"off"`, `"on"`, `"on"`, `"quorum"`), d.chance(0.4), pick(d, 1, 1, 2), pick(d, 300, 30, 0), d.chance(0.8))
	config, err := cluster.ParseObject([]byte(text))
	if err != nil {
		return Setup{}, fmt.Errorf("make configuration of seed %d: %w", seed, err)
	}
	s := Setup{Seed: seed, Nodes: 3 + d.IntN(3), Tick: tick, Config: config, LostAnswers: 0.003, Faults: 10 * time.Minute}
	s.Settings, _ = cluster.ParseSettings(config)
	s.Tags = drawTags(newDice(seed, "tags"), s.Nodes)
	return s, nil
}

func (s Setup) String() string {
	return fmt.Sprintf("seed %d: %d nodes, tick %v, %s", s.Seed, s.Nodes, s.Tick, s.Config)
}

// Result is what came of a run.
type Result struct {
	// Broken are the invariants that did not hold; none if all is well.
	Broken     []string
	Transcript string
	// Leaders is how many leaderships there were, Writes how many writes were
	// confirmed.
	Leaders, Writes int
}

// The bounds of recovery after the last fault.
const (
	startBound  = 2 * time.Minute
	memberBound = 6 * time.Minute
	settle      = 10 * time.Second
	calm        = 40 * time.Second
	look        = 200 * time.Millisecond
	// fenceSlack is how old the fence's knowledge may be.
	fenceSlack = time.Second
	// fenceHears is how long a proof may take to get to the fence that is
	// about to kill.
	fenceHears = 50 * time.Millisecond
)

// leaderBound is how long a cluster may be without leader after the last
// fault: a promotion that hangs is given a minute.
func (s Setup) leaderBound() time.Duration { return 2*s.Settings.TTL + s.Tick + 100*time.Second }

// Run runs one seed in a bubble of virtual time.
func Run(t *testing.T, s Setup) Result {
	var r Result
	var running atomic.Pointer[world]
	late := time.AfterFunc(realBound, func() { running.Load().giveUp() })
	defer late.Stop()
	synctest.Test(t, func(*testing.T) {
		w := newWorld(s)
		running.Store(w)
		w.locked(w.keepWriting)
		w.story()
		w.shutDown()
		w.locked(func() { r = Result{Broken: w.broken, Leaders: w.reign.count, Writes: w.writer.total} })
		if len(r.Broken) > 0 || s.Keep || testing.Verbose() {
			r.Transcript = w.transcript()
		}
	})
	return r
}

// realBound is how long a run may take by the clock on the wall: one that is
// longer turns without virtual time going on.
const realBound = 3 * time.Minute

// giveUp ends the process: a bubble cannot be left otherwise.
func (w *world) giveUp() {
	text := w.transcript()
	fmt.Fprintf(os.Stderr, "%v: no progress at %s\n%s\n", w.setup, stamp(w.events[len(w.events)-1].at), text[max(0, len(text)-20_000):])
	os.Exit(2)
}

func newWorld(s Setup) *world {
	w := &world{setup: s, began: time.Now().UnixNano(), net: network{cuts: map[link]int{}}, heals: map[int]func(){}}
	w.agenda.timer, w.agenda.over = time.NewTimer(never), make(chan struct{})
	w.writer = writer{dice: w.dice("writer"), seen: map[*branch]int{}}
	w.zk = newEnsemble(w, s.Tick)
	for i := range s.Nodes {
		w.nodes = append(w.nodes, newNode(w, i))
	}
	go w.runAgenda()
	return w
}

// story is the run: a cluster comes up, suffers, and recovers.
func (w *world) story() {
	w.locked(func() {
		for _, n := range w.nodes {
			w.after(n.dice.between(0, 3*time.Second), n.start)
		}
	})
	if !w.await("the first start", startBound, false) {
		return
	}
	w.suffer()
	if !w.await("a leader after the last fault", w.setup.leaderBound(), false) || !w.await("all members after the last fault", memberBound, true) {
		return
	}
	w.rest()
}

// await looks until the cluster is well; it reports false, and notes what is
// wrong, when it is not in time or an invariant is broken.
func (w *world) await(what string, bound time.Duration, all bool) bool {
	from := w.elapsed()
	for {
		var leader, members, broken bool
		var missing string
		w.locked(func() {
			leader, members, missing = w.healthy()
			broken = len(w.broken) > 0
			switch over := w.now()-from > bound; {
			case !over || broken || leader && (members || !all):
			case w.healed && w.rescue():
				from = w.now()
			default:
				w.violated("I7: %s took longer than %v: %s", what, bound, missing)
				broken = true
			}
		})
		if broken {
			return false
		}
		if leader && (members || !all) {
			return true
		}
		time.Sleep(look)
	}
}

// rest checks that a cluster that is well stays as it is.
func (w *world) rest() {
	time.Sleep(settle) // a request that was under way is still carried out
	if !w.await("all members once more", memberBound, true) {
		return
	}
	var before int
	var unharmed func()
	w.locked(func() { before, unharmed, w.resting = w.reign.count, w.spoilOne(), true })
	time.Sleep(calm)
	w.locked(func() {
		unharmed()
		w.calm = true
		w.checkListed(w.zk.rest.Sync)
		if _, all, missing := w.healthy(); !all || w.reign.count != before {
			w.violated("the cluster does not come to rest: %d more leaderships, %s", w.reign.count-before, missing)
		}
	})
}

// shutDown ends every process, and waits for what runs in them.
func (w *world) shutDown() {
	var wait []chan struct{}
	w.locked(func() {
		w.end()
		for _, n := range append(w.nodes[:len(w.nodes):len(w.nodes)], w.allTwins...) {
			n.suspended = false
			if n.proc != nil {
				n.proc.kill()
			}
			wait = append(wait, n.lived...)
		}
	})
	for _, done := range wait {
		<-done
	}
	<-w.agenda.over
	w.operators.Wait()
}

func (w *world) node(name string) *node {
	for _, n := range w.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// postgresOf is the server at that address.
func (w *world) postgresOf(up *cluster.Upstream) *postgres {
	if n := w.node(up.Host); n != nil {
		return n.pg
	}
	return nil
}

func (w *world) nextPid() int {
	w.pids++
	return 1000 + w.pids
}
