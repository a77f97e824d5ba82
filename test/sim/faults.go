package sim

import (
	"context"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// fault is one thing that can go wrong. begin does it to a node, with w.mu
// held, and returns what ends it; nil if nothing has to.
type fault struct {
	name   string
	weight int
	begin  func(w *world, n *node, d dice) func()
}

// suffer injects faults one after the other; they overlap.
func (w *world) suffer() {
	d := newDice(w.setup.Seed, "faults")
	all, total := faults(), 0
	for _, f := range all {
		total += f.weight
	}
	end := w.elapsed() + w.setup.Faults
	for w.elapsed() < end {
		time.Sleep(d.between(500*time.Millisecond, 22*time.Second))
		broken := false
		w.locked(func() {
			broken = len(w.broken) > 0
			draw := d.IntN(total)
			for _, f := range all {
				if draw -= f.weight; draw < 0 {
					w.inject(f, d)
					break
				}
			}
		})
		if broken {
			return
		}
	}
	w.locked(func() { w.healed = true })
	w.awaitRestore()
	var quiet time.Duration
	w.locked(func() { quiet = max(w.zk.stalled, w.zk.electing) - w.now() })
	time.Sleep(quiet)
	w.locked(w.healAll)
}

// inject does one fault to a node, more often to the leader's, and ends it
// some time later.
func (w *world) inject(f fault, d dice) {
	n := w.nodes[d.IntN(len(w.nodes))]
	if l := w.zk.lock; l != nil && d.chance(0.4) {
		n = w.node(l.Name)
	}
	lasts := d.between(50*time.Millisecond, 4*time.Second)
	switch {
	case d.chance(0.4):
		lasts = d.between(4*time.Second, 20*time.Second)
	case d.chance(0.2):
		lasts = d.between(20*time.Second, 90*time.Second)
	}
	w.note("FAULT", "%s on %s for %v", f.name, n.name, lasts)
	heal := f.begin(w, n, d)
	if heal == nil {
		return
	}
	id := w.lastHeal
	w.lastHeal++
	w.heals[id] = heal
	w.after(lasts, func() {
		if h := w.heals[id]; h != nil {
			delete(w.heals, id)
			w.note("FAULT", "%s on %s ends", f.name, n.name)
			h()
		}
	})
}

// healAll ends every fault now, and forgets those that wait for their turn.
func (w *world) healAll() {
	w.note("FAULT", "no more faults")
	w.zk.setFailover(cluster.Failover{})
	for id := range w.lastHeal {
		if h := w.heals[id]; h != nil {
			delete(w.heals, id)
			h()
		}
	}
	w.zk.setPause(false) // an agent that knew no better may have written it again
	for _, n := range w.nodes {
		n.resume()
		n.powerOn()
		n.stopped = false
		n.start()
		n.pg.faults = pgFaults{}
		n.pg.update()
	}
}

// links cuts them, both ways or one.
func cutting(w *world, d dice, links []link) func() {
	if d.chance(0.3) { // one way
		way := d.IntN(2)
		var some []link
		for i, l := range links {
			if i%2 == way {
				some = append(some, l)
			}
		}
		links = some
	}
	w.net.cut(links)
	w.nodes[0].pg.update()
	return func() {
		w.net.heal(links)
		w.nodes[0].pg.update()
	}
}

func (w *world) toEnsemble(n *node) (links []link) {
	for i := range servers {
		links = append(links, twoWay(toZooKeeper, n.name, serverName(i))...)
	}
	return links
}

func (w *world) toOthers(n *node, kinds ...kind) (links []link) {
	for _, other := range w.nodes {
		for _, k := range kinds {
			if other != n {
				links = append(links, twoWay(k, n.name, other.name)...)
			}
		}
	}
	return links
}

func faults() []fault {
	var all []fault
	for _, group := range [][]fault{processFaults(), serverFaults(), networkFaults(), ensembleFaults(), operatorFaults(), lockFaults(), maintenanceFaults()} {
		all = append(all, group...)
	}
	return all
}

func processFaults() []fault {
	return []fault{
		{"agent freezes", 10, func(w *world, n *node, _ dice) func() {
			p := n.proc
			if p == nil || w.now() < n.spare {
				return nil
			}
			p.freeze()
			return p.thaw
		}},
		{"agent is killed", 10, func(w *world, n *node, _ dice) func() {
			if n.proc == nil || n.proc.stopping || w.now() < n.spare {
				return nil
			}
			n.proc.kill()
			n.stopped = true
			return func() { n.stopped = false; n.start() }
		}},
		{"agent is stopped", 5, func(_ *world, n *node, _ dice) func() {
			if n.proc == nil || n.proc.cancel == nil {
				return nil
			}
			n.proc.stopping, n.stopped = true, true
			n.proc.cancel()
			return func() {
				n.stopped = false
				if n.proc != nil && n.proc.stopping {
					n.proc.kill()
				}
				n.start()
			}
		}},
		{"fence is killed", 3, func(w *world, n *node, _ dice) func() {
			if n.fence == nil || n.proc == nil || n.proc.frozen != nil || n.suspended {
				return nil
			}
			n.spare = w.now() + 4*time.Second
			n.fence.over, n.fence = true, nil
			return nil
		}},
		{"host loses power", 6, func(_ *world, n *node, _ dice) func() {
			n.powerOff()
			return n.powerOn
		}},
		{"host is suspended", 5, func(_ *world, n *node, _ dice) func() {
			if !n.on || n.suspended {
				return nil
			}
			n.suspend()
			return n.resume
		}},
	}
}

func serverFaults() []fault {
	return []fault{
		{"postmaster is killed", 7, func(_ *world, n *node, d dice) func() {
			if !n.suspended {
				n.pg.crash(d.chance(0.6), d.between(200*time.Millisecond, 20*time.Second))
			}
			return nil
		}},
		{"next promotions fail", 4, func(w *world, _ *node, d dice) func() {
			for _, n := range w.nodes {
				n.pg.faults.failPromote = d.chance(0.5)
			}
			return nil
		}},
		{"next promotion hangs", 1, func(w *world, n *node, _ dice) func() {
			n.pg.faults.hangPromote = true
			return nil
		}},
		{"next start is slow", 4, func(_ *world, n *node, d dice) func() {
			n.pg.faults.slowStart = d.between(time.Second, 40*time.Second)
			return nil
		}},
		{"next stop is slow", 4, func(_ *world, n *node, d dice) func() {
			n.pg.faults.slowStop = d.between(time.Second, 40*time.Second)
			return nil
		}},
		{"next stop hangs", 4, func(_ *world, n *node, _ dice) func() {
			n.pg.faults.hangStop = true
			return nil
		}},
		{"next copy fails", 3, func(_ *world, n *node, _ dice) func() {
			n.pg.faults.failClone = true
			return nil
		}},
		{"replication lags", 5, func(_ *world, n *node, d dice) func() {
			n.pg.faults.lag = d.between(100*time.Millisecond, 20*time.Second)
			return func() { n.pg.faults.lag = 0 }
		}},
		{"standby loses its data", 2, func(w *world, n *node, _ dice) func() {
			if l := w.zk.lock; l == nil || l.Name == n.name || !n.pg.streaming() || !w.node(l.Name).pg.open() {
				return nil
			}
			n.pg.killAll()
			n.pg.empty = true
			return nil
		}},
	}
}

func networkFaults() []fault {
	return []fault{
		{"cut from ZooKeeper", 10, func(w *world, n *node, d dice) func() { return cutting(w, d, w.toEnsemble(n)) }},
		{"cut from one ZooKeeper server", 3, func(w *world, n *node, d dice) func() {
			return cutting(w, d, twoWay(toZooKeeper, n.name, serverName(d.IntN(servers))))
		}},
		{"cut from all", 8, func(w *world, n *node, d dice) func() {
			return cutting(w, d, append(w.toEnsemble(n), w.toOthers(n, toREST, toReplicate)...))
		}},
		{"cut from the others", 5, func(w *world, n *node, d dice) func() {
			return cutting(w, d, w.toOthers(n, toREST, toReplicate))
		}},
		{"cut from the others' REST", 3, func(w *world, n *node, d dice) func() { return cutting(w, d, w.toOthers(n, toREST)) }},
		{"cut from one other", 4, func(w *world, n *node, d dice) func() {
			other := w.nodes[d.IntN(len(w.nodes))]
			if other == n {
				return nil
			}
			return cutting(w, d, append(twoWay(toREST, n.name, other.name), twoWay(toReplicate, n.name, other.name)...))
		}},
		{"all cut from ZooKeeper", 3, func(w *world, _ *node, d dice) func() {
			var links []link
			for _, n := range w.nodes {
				links = append(links, w.toEnsemble(n)...)
			}
			return cutting(w, d, links)
		}},
	}
}

func ensembleFaults() []fault {
	return []fault{
		{"ZooKeeper elects", 5, func(w *world, _ *node, d dice) func() {
			w.zk.elect(d.between(200*time.Millisecond, 3*time.Second))
			return nil
		}},
		{"ZooKeeper is down", 3, func(w *world, _ *node, d dice) func() {
			w.zk.elect(d.between(3*time.Second, 40*time.Second))
			return nil
		}},
		{"ZooKeeper stalls", 5, func(w *world, _ *node, d dice) func() {
			w.zk.stalled = max(w.zk.stalled, w.now()+d.between(200*time.Millisecond, w.setup.Settings.TTL*3/2))
			return nil
		}},
		{"a ZooKeeper server is cut off", 5, func(w *world, _ *node, d dice) func() {
			i := d.IntN(servers)
			for _, since := range w.zk.cutSince {
				if since != 0 {
					return nil // there is a quorum
				}
			}
			w.zk.cutOff(i)
			return func() { w.zk.rejoin(i) }
		}},
		{"ZooKeeper commits slowly", 4, func(w *world, _ *node, d dice) func() {
			w.zk.slow = d.between(50*time.Millisecond, 1500*time.Millisecond)
			return func() { w.zk.slow = 0 }
		}},
		{"answers are lost", 3, func(w *world, _ *node, _ dice) func() {
			w.setup.LostAnswers = 0.3
			return func() { w.setup.LostAnswers = 0.003 }
		}},
	}
}

func operatorFaults() []fault {
	return []fault{
		{"a key is unreadable", 6, func(w *world, _ *node, d dice) func() {
			if len(w.zk.spoilt) > 0 {
				return nil
			}
			return w.zk.spoil(pick(d, spoilable()...), d)
		}},
		{"switchover", 8, func(w *world, n *node, d dice) func() {
			if l := w.zk.lock; l != nil {
				f := cluster.Failover{Leader: l.Name}
				if d.chance(0.5) && n.name != l.Name {
					f.Candidate = n.name
				}
				w.zk.setFailover(f)
			}
			return nil
		}},
		{"scheduled switchover", 3, func(w *world, n *node, d dice) func() {
			if l := w.zk.lock; l != nil {
				f := cluster.Failover{Leader: l.Name, ScheduledAt: time.Now().Add(d.between(0, 40*time.Second))}
				if d.chance(0.5) && n.name != l.Name {
					f.Candidate = n.name
				}
				w.zk.setFailover(f)
			}
			return nil
		}},
		{"wall clock steps", 4, func(w *world, n *node, d dice) func() {
			n.wallOff = d.between(-time.Minute, time.Minute)
			return func() { n.wallOff = 0 }
		}},
		{"manual failover", 2, func(w *world, n *node, _ dice) func() {
			w.zk.setFailover(cluster.Failover{Candidate: n.name})
			return nil
		}},
		{"restart", 3, func(w *world, n *node, _ dice) func() {
			if p := n.proc; p != nil && p.agent != nil && p.frozen == nil {
				w.operators.Go(func() {
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					defer cancel()
					_ = p.agent.Restart(ctx, 30*time.Second) // the run goes on either way
				})
			}
			return nil
		}},
		{"reinitialize", 1, func(w *world, n *node, _ dice) func() {
			if p := n.proc; p != nil && p.agent != nil && p.frozen == nil {
				w.operators.Go(func() {
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					defer cancel()
					_ = p.agent.Reinitialize(ctx, false, false) // as above
				})
			}
			return nil
		}},
	}
}
