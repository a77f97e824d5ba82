package sim

import (
	"context"
	"errors"
	"time"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/fence"
	"github.com/pgregent/pgregent/core/lease"
)

var _ agent.Fence = (*fencePort)(nil)

const takeoverWait = 5 * time.Second

// fenceProcess is the fence of a node: the real machine, with timers. It is
// guarded by world.mu.
type fenceProcess struct {
	n    *node
	m    fence.Machine
	over bool
	// agent is the process that is connected.
	agent *process
	due   lease.Instant // for which a timer runs; 0: none
}

func startFence(n *node) *fenceProcess {
	f := &fenceProcess{n: n, m: fence.Machine{Wait: takeoverWait, Spent: n.disk.spent}}
	f.m.AgentGone(n.clock())
	f.arm()
	return f
}

// arm looks at the machine again at its next deadline. Deadlines mostly grow:
// a timer that is early arms the next one.
func (f *fenceProcess) arm() {
	at := f.m.Deadline()
	now := f.n.clock()
	if at == 0 || (f.due > now && f.due <= at) {
		return
	}
	f.due = at
	f.n.w.after(f.n.until(at), func() {
		if f.due = 0; !f.over && !f.n.suspended {
			f.step()
		}
	})
}

// step does what is due.
func (f *fenceProcess) step() {
	order, why := f.m.Next(f.n.clock())
	switch order {
	case fence.Kill:
		f.kill(why)
	case fence.Exit:
		f.exit()
		return
	}
	f.arm()
}

// kill stops PostgreSQL, and closes the session of the agent that it was
// killed for.
func (f *fenceProcess) kill(why fence.Reason) {
	n, w := f.n, f.n.w
	w.note(n.name, "the fence kills: %s", why)
	w.checkFenceKill(n, why)
	gen, spent := n.pg.gen, f.m.Killed(why)
	w.after(n.dice.between(time.Millisecond, 60*time.Millisecond), func() {
		if n.pg.gen == gen || n.pg.orphans { // what its postmaster has left is killed too
			n.pg.killAll()
		}
		s := n.disk.session
		if s == nil || s.id != spent {
			return
		}
		n.disk.session, n.disk.spent = nil, spent
		w.after(n.dice.between(5*time.Millisecond, 50*time.Millisecond), func() {
			if !s.over && w.net.both(toZooKeeper, n.name, serverName(w.zk.leader)) && w.now() >= w.zk.electing && w.now() >= w.zk.stalled {
				w.note(n.name, "the fence closes the session")
				w.zk.end(s)
			}
		})
	})
}

func (f *fenceProcess) exit() {
	f.over = true
	if f.n.fence == f {
		f.n.fence = nil
	}
	f.n.w.note(f.n.name, "the fence ends")
}

// agentGone is the end of the connection to p.
func (f *fenceProcess) agentGone(p *process) {
	if f.agent == p {
		f.agent = nil
		f.m.AgentGone(f.n.clock())
		f.arm()
	}
}

// fencePort is the fence as one agent process uses it.
type fencePort struct {
	p *process
	f *fenceProcess
	// spent is as told in the newest answer.
	spent int64
}

var errNoFence = errors.New("no fence answers")

func (o *fencePort) Connect(context.Context) (epoch cluster.Epoch, hard lease.Instant, err error) {
	if !o.p.gate() {
		return 0, 0, errDead
	}
	n := o.p.n
	n.w.locked(func() {
		if n.fence == nil {
			n.fence = startFence(n)
		}
		o.f = n.fence
		o.f.agent = o.p
		o.f.m.AgentThere()
		r := o.f.m.On(fence.Message{Kind: fence.Hello})
		if o.spent = r.Spent; r.Armed {
			epoch, hard = r.Epoch, r.Hard
		}
	})
	return epoch, hard, nil
}

func (o *fencePort) Ready() bool {
	ready := false
	if o.p.gate() {
		o.p.n.w.locked(func() { ready = o.f != nil && !o.f.over })
	}
	return ready
}

func (o *fencePort) say(m fence.Message) error {
	if !o.p.gate() {
		return errDead
	}
	var err error
	o.p.n.w.locked(func() {
		if o.f == nil || o.f.over {
			err = errNoFence
			return
		}
		r := o.f.m.On(m)
		if o.spent = r.Spent; r.Refused {
			err = errors.New("the fence refused")
		} else if m.Kind == fence.Arm || m.Kind == fence.Renew {
			o.p.guarded()
		}
		if m.Kind == fence.Quit {
			o.f.step()
			return
		}
		o.f.arm()
	})
	return err
}

func (o *fencePort) Spent() int64 { return o.spent }

func (o *fencePort) Arm(epoch cluster.Epoch, session int64, hard lease.Instant) error {
	return o.say(fence.Message{Kind: fence.Arm, Epoch: epoch, Session: session, Hard: hard})
}

func (o *fencePort) Renew(epoch cluster.Epoch, hard lease.Instant) error {
	return o.say(fence.Message{Kind: fence.Renew, Epoch: epoch, Hard: hard})
}

func (o *fencePort) Disarm(epoch cluster.Epoch) error {
	return o.say(fence.Message{Kind: fence.Disarm, Epoch: epoch})
}

func (o *fencePort) Quit() error { return o.say(fence.Message{Kind: fence.Quit}) }
