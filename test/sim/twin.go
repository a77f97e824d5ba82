package sim

import (
	"strconv"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// beginTwin is an operator who gives another host the configuration of a
// member: an agent of the same name, with a data directory of its own that is
// empty and stays so.
func (w *world) beginTwin(n *node) func() {
	if w.twin != nil {
		return nil
	}
	w.twins++
	t := w.newTwin(n, w.twins)
	w.twin = t
	w.allTwins = append(w.allTwins, t)
	t.start()
	return func() {
		t.stopped = true
		if t.proc != nil {
			t.proc.kill()
		}
		w.twin = nil
	}
}

// newTwin is a host for another agent of n's name.
func (w *world) newTwin(n *node, count int) *node {
	t := &node{w: w, name: n.name, host: "twin" + strconv.Itoa(count), on: true, tags: n.tags, offset: 24 * time.Hour}
	t.dice = w.dice("node " + t.host)
	t.pg = newPostgres(t)
	t.pg.barren = true
	return t
}

// hosts are the nodes, and the twin if there is one.
func (w *world) hosts() []*node {
	if w.twin == nil {
		return w.nodes
	}
	return append(w.nodes[:len(w.nodes):len(w.nodes)], w.twin)
}

// at is the node at that address, nil if there is none any more.
func (w *world) at(host string) *node {
	for _, n := range w.hosts() {
		if n.host == host {
			return n
		}
	}
	return nil
}

// bootstrapConfig is nil for a twin: it was not meant to begin anything.
func (n *node) bootstrapConfig() *cluster.Object {
	if n.pg.barren {
		return nil
	}
	return n.w.setup.Config
}
