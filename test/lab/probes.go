package lab

import (
	"cmp"
	"slices"
	"time"
)

// Probes write on every node directly, so that a node which accepts writes
// beside the leader is seen.
type Probes struct{ writers []*Writer }

// probeBase separates the probes' numbers from each other's and from other
// writers'.
const probeBase = int64(1) << 40

// NewProbes starts one writer per node.
func (l *Lab) NewProbes() *Probes {
	p := &Probes{}
	for i, n := range l.Nodes {
		p.writers = append(p.writers, l.writer(dsn(n)+" target_session_attrs=any", probeBase*int64(i+1)))
	}
	return p
}

// Stop ends the probes.
func (p *Probes) Stop() {
	for _, w := range p.writers {
		w.Stop()
	}
}

// Acks are all acknowledged writes in the order in which they were sent.
func (p *Probes) Acks() []Ack {
	var all []Ack
	for _, w := range p.writers {
		all = append(all, w.Acks()...)
	}
	slices.SortFunc(all, func(a, b Ack) int { return cmp.Compare(a.Sent.UnixNano(), b.Sent.UnixNano()) })
	return all
}

// Overlap is how long two nodes acknowledged writes at once: the longest time
// by which a node acknowledged a write that was sent after another node had
// already acknowledged one, without the first having been silent for good in
// between. handBack is the shortest reign of a node between two others'.
func (p *Probes) Overlap(handBack time.Duration) time.Duration {
	type reign struct {
		node        string
		first, last time.Time
	}
	var reigns []reign
	open := map[string]int{}
	for _, a := range p.Acks() {
		i, ok := open[a.Node]
		if ok && a.Sent.Sub(reigns[i].last) < handBack {
			reigns[i].last = a.Sent
			continue
		}
		open[a.Node] = len(reigns)
		reigns = append(reigns, reign{a.Node, a.Done, a.Sent})
	}
	var longest time.Duration
	for i, a := range reigns {
		for _, b := range reigns[i+1:] {
			if a.node == b.node {
				continue
			}
			if both := earlier(a.last, b.last).Sub(b.first); both > longest {
				longest = both
			}
		}
	}
	return longest
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
