package sim

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// writer is a client that writes through whatever accepts writes and
// remembers what was confirmed. It is guarded by world.mu.
type writer struct {
	dice      dice
	last      int
	confirmed []confirmed
	total     int
	// seen is the last write on each branch that was looked at.
	seen map[*branch]int
}

// confirmed is a write that the client was told is safe; guarded means that a
// standby had to confirm it.
type confirmed struct {
	place
	guarded bool
}

// write makes one write on every server that takes it, which should be one.
func (w *world) write() {
	for _, n := range w.nodes {
		n.pg.settle()
		if !n.pg.open() {
			continue
		}
		w.writer.last++
		b := n.pg.at.branch
		r := b.write(w.writer.last, w.now(), cluster.LSN(w.writer.dice.IntN(20000)+60))
		n.pg.at.lsn = r.end
		n.pg.settle()
	}
}

// keepWriting writes now and until the run is over. w.mu is held.
func (w *world) keepWriting() {
	w.write()
	w.after(w.writer.dice.between(60*time.Millisecond, 240*time.Millisecond), w.keepWriting)
}
