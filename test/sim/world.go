package sim

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// world is one simulated cluster with everything around it.
type world struct {
	setup Setup
	began int64 // as UnixNano

	mu     sync.Mutex
	ended  bool
	events []event
	broken []string // violated invariants
	net    network
	zk     *ensemble
	nodes  []*node
	agenda agenda
	// instant is the virtual time while what is due is done; 0: it is not.
	instant time.Duration
	writer  writer
	reign   reign
	// complete means that the log of the last release was elsewhere too.
	complete bool
	// operators are requests that nobody has given up yet.
	operators sync.WaitGroup
	// bereft is the primary that an operator has taken the lock away from, as
	// long as it accepts writes; nil: none.
	bereft *node
	// rogue means that it never had the lock: somebody promoted it.
	rogue bool
	pids  int
	// twin is a host with a second agent of a member's name, nil if there is
	// none; allTwins are those that there were.
	twin     *node
	twins    int
	allTwins []*node
	// restoring means that an operator has a backup of the ensemble, underWay
	// that it is about to be restored, and blind that the next leader is elected
	// by keys that are too old. healed means that no more faults begin.
	restoring, underWay, blind, healed bool
	// setBack means that the ensemble was restored, rescued that an operator had
	// to force a failover after the last fault.
	setBack, rescued bool
	// resting means that it is looked whether a cluster that is well stays so:
	// not even an answer is lost.
	resting bool
	// calm means that the cluster is well after the last fault.
	calm bool
	// heals are what ends the faults under way.
	heals    map[int]func()
	lastHeal int
}

// event is one line of the transcript; its text is made only when it is read.
type event struct {
	at     time.Duration
	who    string
	format string
	args   []any
}

// maxEvents bounds the transcript of a run that goes in circles.
const maxEvents = 20000

// elapsed is the virtual time since the begin of the run.
func (w *world) elapsed() time.Duration { return time.Duration(time.Now().UnixNano() - w.began) }

// now is the same, for whoever holds w.mu.
func (w *world) now() time.Duration {
	if w.instant != 0 {
		return w.instant
	}
	return w.elapsed()
}

// note adds a line to the transcript. w.mu is held.
func (w *world) note(who, format string, args ...any) {
	if w.setup.Trace != nil {
		fmt.Fprintf(w.setup.Trace, "%s %-5s %s\n", stamp(w.now()), who, fmt.Sprintf(format, args...))
	}
	if len(w.events) < maxEvents {
		w.events = append(w.events, event{w.now(), who, format, args})
	}
}

// violated notes that an invariant does not hold. w.mu is held.
func (w *world) violated(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.note("CHECK", "%s", text)
	if len(w.broken) < 20 {
		w.broken = append(w.broken, fmt.Sprintf("%s %s", stamp(w.now()), text))
	}
}

// locked runs f with w.mu held.
func (w *world) locked(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) transcript() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, e := range w.events {
		fmt.Fprintf(&b, "%s %-5s %s\n", stamp(e.at), e.who, fmt.Sprintf(e.format, e.args...))
	}
	return b.String()
}

// stamp is mm:ss.mmm.
func stamp(d time.Duration) string {
	return fmt.Sprintf("%02d:%06.3f", int(d.Minutes()), (d % time.Minute).Seconds())
}

// dice draws for one purpose, so that one more draw here changes nothing
// there. Whoever has it guards it.
type dice struct{ *rand.Rand }

func newDice(seed uint64, purpose string) dice {
	h := fnv.New64a()
	_, _ = h.Write([]byte(purpose)) // a hash takes everything
	return dice{rand.New(rand.NewPCG(seed, h.Sum64()))}
}

// dice is for what draws all the time. What it draws follows from the virtual
// time and the purpose alone: when goroutines that are due at the same instant
// run in another order, one draw more or less changes nothing later.
func (w *world) dice(purpose string) dice {
	h := fnv.New64a()
	_, _ = h.Write([]byte(purpose)) // as above
	return dice{rand.New(&moment{w: w, base: h.Sum64() ^ w.setup.Seed*0x9e3779b97f4a7c15})}
}

// moment is a source of numbers that begins anew at each instant.
type moment struct {
	w    *world
	base uint64
	at   time.Duration
	n    uint64
}

func (m *moment) Uint64() uint64 {
	if now := m.w.now(); now != m.at {
		m.at, m.n = now, 0
	}
	m.n++
	x := m.base + uint64(m.at)*0xbf58476d1ce4e5b9 + m.n*0x94d049bb133111eb
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// chance is true with probability p.
func (d dice) chance(p float64) bool { return d.Float64() < p }

// between draws evenly, to the nanosecond.
func (d dice) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(d.Int64N(int64(hi-lo)+1))
}

// pick is one of the list.
func pick[T any](d dice, list ...T) T { return list[d.IntN(len(list))] }
