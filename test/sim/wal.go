package sim

import (
	"slices"
	"sort"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// branch is the log that one server wrote on one timeline. Two servers that
// are promoted apart write two branches of one number.
type branch struct {
	timeline cluster.Timeline
	parent   *branch
	fork     cluster.LSN // where it leaves its parent
	writer   *node
	rogue    bool            // somebody promoted the writer by hand
	history  cluster.History // what place.history has made; nil: not yet
	records  []record
	end      cluster.LSN
}

// record is one thing that was written; id is the client's, 0 for the server's
// own records.
type record struct {
	id  int
	at  time.Duration
	end cluster.LSN
}

func (b *branch) write(id int, at time.Duration, bytes cluster.LSN) record {
	b.end += bytes
	r := record{id, at, b.end}
	b.records = append(b.records, r)
	return r
}

// writtenBy is how far b was written at that time.
func (b *branch) writtenBy(at time.Duration) cluster.LSN {
	i := sort.Search(len(b.records), func(i int) bool { return b.records[i].at > at })
	if i == 0 {
		return b.fork
	}
	return b.records[i-1].end
}

// place is a position in the history of all logs.
type place struct {
	branch *branch
	lsn    cluster.LSN
}

// rogue reports that p is on a log which somebody has begun by hand.
func (p place) rogue() bool {
	for b := p.branch; b != nil; b = b.parent {
		if b.rogue {
			return true
		}
	}
	return false
}

// has reports whether a log that ends at p has everything up to q.
func (p place) has(q place) bool {
	limit := p.lsn
	for b := p.branch; b != nil; b = b.parent {
		if b == q.branch {
			return q.lsn <= limit
		}
		limit = min(limit, b.fork)
	}
	return false
}

// alike reports whether a log with p and one with q tell the same history
// although they have parted: two servers were promoted apart at one position,
// and gave their timelines the same number. Neither the history file nor the
// history key shows it.
func (p place) alike(q place) bool {
	for a := p.branch; a != nil; a = a.parent {
		for b := q.branch; b != nil; b = b.parent {
			if a != b && a.parent == b.parent && a.timeline == b.timeline && a.fork == b.fork {
				return true
			}
		}
	}
	return false
}

// back is the place at lsn on the way to p.
func (p place) back(lsn cluster.LSN) place {
	b := p.branch
	for b.parent != nil && lsn <= b.fork {
		b = b.parent
	}
	return place{b, min(lsn, p.lsn)}
}

// common is the last place that p and q share.
func (p place) common(q place) place {
	limit := p.lsn
	for b := p.branch; b != nil; b = b.parent {
		other := q.lsn
		for c := q.branch; c != nil; c = c.parent {
			if b == c {
				return place{b, min(limit, other)}
			}
			other = min(other, c.fork)
		}
		limit = min(limit, b.fork)
	}
	return place{}
}

// history is the timeline history file of p's timeline. It is made once for a
// branch, and nobody may change it.
func (p place) history() cluster.History {
	if p.branch.history != nil {
		return p.branch.history
	}
	h := cluster.History{}
	for b := p.branch; b.parent != nil; b = b.parent {
		if b.timeline != b.parent.timeline {
			h = append(h, cluster.HistoryEntry{Timeline: b.parent.timeline, LSN: b.fork, Reason: "no recovery target specified"})
		}
	}
	slices.Reverse(h)
	p.branch.history = slices.Clip(h)
	return p.branch.history
}
