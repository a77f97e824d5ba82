package sim

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// maintenanceFaults are what an operator does when the cluster is to be left
// alone.
func maintenanceFaults() []fault {
	return []fault{
		{"ZooKeeper is restored", 3, func(w *world, _ *node, d dice) func() { return w.beginRestore(d) }},
		{"a second agent of one name", 3, func(w *world, n *node, _ dice) func() { return w.beginTwin(n) }},
		{"maintenance mode", 4, func(w *world, _ *node, _ dice) func() {
			if w.zk.paused() {
				return nil
			}
			w.note("zk", "somebody pauses the cluster")
			w.zk.setPause(true)
			return func() {
				if w.underWay { // by somebody else, who will resume it
					return
				}
				w.note("zk", "somebody resumes the cluster")
				w.zk.setPause(false)
			}
		}},
	}
}

func isPaused(c *cluster.Object) bool {
	s, _ := cluster.ParseSettings(c)
	return s.Pause
}

func (e *ensemble) paused() bool { return isPaused(e.rest.Config.Object) }

// setPause is the operator's write, past all agents.
func (e *ensemble) setPause(on bool) {
	config := e.w.setup.Config
	if on {
		config = config.Clone()
		config.Set("pause", true)
	}
	next := max(e.rest.Config.Version+1, 0)
	e.rest.Config = cluster.DynamicConfig{Object: config, Version: next, ModifiedZxid: e.commit()}
	e.changed("config")
}

// reads takes note of what the agent now knows of pause. In pause nobody stops
// its PostgreSQL, and the fence does not either, until the agent has learned
// that the pause is over and has told the fence: then it has resumeBound for that, unless it
// stands still. c.w.mu is held.
func (c *client) reads(view *cluster.Cluster) {
	p, o := c.p, view.Config.Object
	if p.dead || o.Len() == 0 { // what was in force before stays so
		return
	}
	was := p.paused
	if p.config != o { // whoever writes the key writes another object
		p.config, p.paused = o, isPaused(o)
	}
	if p.paused {
		p.n.lax = true
		return
	}
	if was {
		p.resumes++
	}
	of := p.resumes
	if p.n.lax = p.n.lax && p.n.pg.open() && !p.fenced(); was && p.n.lax {
		c.w.after(resumeBound, func() {
			if p.n.lax && p.n.proc == p && !p.paused && p.resumes == of && p.frozen == nil && p.thawed+resumeBound < c.w.now() {
				c.w.violated("I1: %s has learned %v ago that the pause is over, and nobody would stop its PostgreSQL", p.n.name, resumeBound)
			}
		})
	}
}

// resumeBound is how long an agent that runs may take from learning that the
// pause is over until PostgreSQL is guarded again, or does not accept writes: a
// stop that hangs is given five seconds.
const resumeBound = 8 * time.Second

// fenced reports that the fence still has a deadline for PostgreSQL: the pause
// was short.
func (p *process) fenced() bool {
	f := p.n.fence
	return f != nil && f.agent == p && f.m.Deadline() != 0
}

// guarded notes that the fence of p's node has a deadline for PostgreSQL.
func (p *process) guarded() {
	if !p.paused {
		p.n.lax = false
	}
}

// leads reports that n holds the leader znode.
func (w *world) leads(n *node) bool { return w.zk.lock != nil && w.zk.lock.Name == n.name }
