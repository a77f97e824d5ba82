package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind tells how a write reached its node.
type Kind string

// The kinds of writers.
const (
	// KeptOpen writes over one connection for as long as that lives.
	KeptOpen Kind = "kept open"
	// New opens a connection for each write.
	New Kind = "new"
)

// Ack is one acknowledged write. It was committed at an unknown instant
// between Sent and Done, which are of this process's monotonic clock.
type Ack struct {
	ID   int64
	Node string
	// Timeline is the one that the write went to, as in the name of a WAL
	// file. A node that is promoted again has another.
	Timeline   string
	Kind       Kind
	Sent, Done time.Time
}

// History is what clients saw of one fault.
type History struct {
	Acks []Ack
	// Settled is an instant; what was acknowledged before it is on all nodes.
	Settled time.Time
	// From is when the fault began, To when the observation ended.
	From, To time.Time
	// Present are the numbers that the last primary has.
	Present map[int64]bool
}

// Report is the verdict on a history.
type Report struct {
	// Overlap is for how long two nodes acknowledged writes, over all pairs;
	// at least a millisecond if it happened at all.
	Overlap time.Duration
	// Pairs describes who.
	Pairs []string
	// LostSettled are missing rows that had been on all nodes, LostAround
	// other acknowledged ones.
	LostSettled, LostAround []int64
	// Gap is the longest time without an acknowledged write, over all kinds,
	// and for each.
	Gap, GapKeptOpen, GapNew time.Duration
	// Acks is how many writes were acknowledged between From and To.
	Acks int
}

// String is one line of figures.
func (r Report) String() string {
	return fmt.Sprintf("overlap %d ms, lost settled %d, lost around %d of %d, gap %d ms (kept open %d, new %d)",
		r.Overlap.Milliseconds(), len(r.LostSettled), len(r.LostAround), r.Acks,
		r.Gap.Milliseconds(), r.GapKeptOpen.Milliseconds(), r.GapNew.Milliseconds())
}

// Check computes the report.
func Check(h History) Report {
	var r Report
	r.Overlap, r.Pairs = overlap(h.Acks)
	for _, a := range h.Acks {
		if !a.Done.Before(h.From) && !a.Done.After(h.To) {
			r.Acks++
		}
		switch {
		case h.Present[a.ID]:
		case a.Done.Before(h.Settled):
			r.LostSettled = append(r.LostSettled, a.ID)
		default:
			r.LostAround = append(r.LostAround, a.ID)
		}
	}
	r.Gap = gap(h, "")
	r.GapKeptOpen, r.GapNew = gap(h, KeptOpen), gap(h, New)
	return r
}

// reign is all that one node acknowledged on one timeline. A primary that is
// demoted and promoted again begins another reign, because it has another
// timeline; so within one reign nobody else may have acknowledged anything.
type reign struct {
	node, timeline string
	// earliest is the earliest Done: something had been committed by then.
	// latest is the latest Sent: something was committed after it.
	earliest, latest time.Time
}

func reigns(acks []Ack) []reign {
	at := map[[2]string]int{}
	var all []reign
	for _, a := range acks {
		key := [2]string{a.Node, a.Timeline}
		i, ok := at[key]
		if !ok {
			at[key] = len(all)
			all = append(all, reign{a.Node, a.Timeline, a.Done, a.Sent})
			continue
		}
		if a.Done.Before(all[i].earliest) {
			all[i].earliest = a.Done
		}
		if a.Sent.After(all[i].latest) {
			all[i].latest = a.Sent
		}
	}
	return all
}

// overlap adds up, over all pairs of reigns of different nodes, how long both
// acknowledged writes for certain. Two reigns can be one after the other in
// truth if every commit of the one may have come before every commit of the
// other, that is, if its latest Sent is not after the other's earliest Done.
func overlap(acks []Ack) (time.Duration, []string) {
	all := reigns(acks)
	var sum time.Duration
	var pairs []string
	for i, a := range all {
		for _, b := range all[i+1:] {
			if a.node == b.node || !a.latest.After(b.earliest) || !b.latest.After(a.earliest) {
				continue
			}
			both := max(earlier(a.latest, b.latest).Sub(later(a.earliest, b.earliest)), time.Millisecond)
			sum += both
			pairs = append(pairs, fmt.Sprintf("%s on timeline %s and %s on timeline %s for %v",
				a.node, a.timeline, b.node, b.timeline, both.Round(time.Millisecond)))
		}
	}
	return sum, pairs
}

// gap is the longest time between two acknowledged writes, From and To. kind
// "" means both kinds.
func gap(h History, kind Kind) time.Duration {
	var times []time.Time
	for _, a := range h.Acks {
		if (kind == "" || a.Kind == kind) && !a.Done.Before(h.From) && !a.Done.After(h.To) {
			times = append(times, a.Done)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	longest, last := time.Duration(0), h.From
	for _, t := range append(times, h.To) {
		longest, last = max(longest, t.Sub(last)), t
	}
	return longest
}

// pairText is one line per pair.
func (r Report) pairText() string { return strings.Join(r.Pairs, "; ") }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
