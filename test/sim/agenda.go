package sim

import "time"

// agenda is what happens later by itself. One goroutine does all of it, since
// there are tens of thousands of entries in a run, and a timer and a goroutine
// for each would cost more than what they do. It is guarded by world.mu.
type agenda struct {
	// due is a heap: the earliest entry is the first.
	due   []entry
	count uint64
	timer *time.Timer
	over  chan struct{} // closed when nothing is done any more
}

// never is longer than any run.
const never = 1000 * time.Hour

// entry is one thing to do. Of two at the same instant the one that was asked
// for first comes first.
type entry struct {
	at time.Duration
	n  uint64
	do func()
}

func (e *entry) before(o *entry) bool { return e.at < o.at || e.at == o.at && e.n < o.n }

// after runs f in d with w.mu held, unless the run is over by then. w.mu is
// held.
func (w *world) after(d time.Duration, f func()) {
	if w.ended {
		return
	}
	g := &w.agenda
	d = max(d, 0)
	g.count++
	g.push(entry{w.now() + d, g.count, f})
	if g.due[0].n == g.count {
		g.timer.Reset(d)
	}
}

// runAgenda does what is due until the run is over. A timer that is early, or
// was set again meanwhile, does no harm.
func (w *world) runAgenda() {
	defer close(w.agenda.over)
	for range w.agenda.timer.C {
		if !w.catchUp() {
			return
		}
	}
}

// catchUp does what is due now; it reports false when the run is over.
func (w *world) catchUp() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	g, now := &w.agenda, w.elapsed()
	w.instant = now
	for len(g.due) > 0 && g.due[0].at <= now && !w.ended {
		g.pop().do()
	}
	w.instant = 0
	if len(g.due) > 0 {
		g.timer.Reset(g.due[0].at - now)
	}
	return !w.ended
}

// end lets nothing happen any more. w.mu is held.
func (w *world) end() {
	w.ended = true
	w.agenda.timer.Reset(0)
}

// finish ends a world in which no agent runs.
func (w *world) finish() {
	w.locked(w.end)
	<-w.agenda.over
}

func (g *agenda) push(e entry) {
	g.due = append(g.due, e)
	i := len(g.due) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !g.due[i].before(&g.due[up]) {
			return
		}
		g.due[i], g.due[up] = g.due[up], g.due[i]
		i = up
	}
}

func (g *agenda) pop() entry {
	first, last := g.due[0], len(g.due)-1
	g.due[0], g.due[last] = g.due[last], entry{}
	g.due = g.due[:last]
	for i := 0; ; {
		least := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < last && g.due[c].before(&g.due[least]) {
				least = c
			}
		}
		if least == i {
			return first
		}
		g.due[i], g.due[least] = g.due[least], g.due[i]
		i = least
	}
}
