package agent

import (
	"context"
	"slices"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// Site is what the site has added: callbacks and routers. plugins implements
// it. Event and Route return at once.
type Site interface {
	// Event tells callbacks what happened.
	Event(e cluster.Event)
	// Route tells routers where clients belong.
	Route(r cluster.Route)
	// Drain tells routers that this primary is about to be switched over. It
	// returns when they have reacted, or ctx ends.
	Drain(ctx context.Context, r cluster.Route)
}

// drainLimit bounds the wait for routers before a switchover.
const drainLimit = time.Second

// herald remembers what the site was told. Only the loop touches it.
type herald struct {
	pid     int // of the postmaster last told of, 0 if none
	role    cluster.Role
	reloads int64
	// relaunch means that the postmaster went in a restart.
	relaunch bool
	route    *cluster.Route
}

// announce tells the site what changed since the last round.
func (a *Agent) announce() {
	j := a.s.job
	if a.o.Site == nil || j != nil && j.kind == "bootstrap" {
		return
	}
	i, h := a.s.instance, &a.s.herald
	switch {
	case h.pid != 0 && h.pid != i.Pid && j.replaces() && !j.stopping:
		h.relaunch, h.pid = true, 0
	case h.pid != 0 && !i.Running:
		h.pid = 0
		if j != nil && j.stopping || a.s.unfinished {
			a.tell("on_stop", h.role, a.stoppedRole())
		}
	}
	if i.Ready && (j == nil || !j.stopping) {
		a.announceRunning()
	}
	a.announceRoute()
}

// announceStop tells of the stop at the end of the agent.
func (a *Agent) announceStop() {
	h := &a.s.herald
	if a.o.Site == nil || h.pid == 0 || a.o.Postgres.Observe(context.Background()).Running {
		return
	}
	h.pid = 0
	a.tell("on_stop", h.role, a.stoppedRole())
}

// stoppedRole is the role of a server that has just been stopped.
func (a *Agent) stoppedRole() cluster.Role {
	if a.s.instance.Standby {
		return cluster.RoleReplica
	}
	return cluster.RoleDemoted
}

// announceRunning tells of a server that answers.
func (a *Agent) announceRunning() {
	i, h := a.s.instance, &a.s.herald
	role, was := a.role(), h.role
	if role == cluster.RoleUninitialized || role == cluster.RoleDemoted {
		return
	}
	reloads := a.reloads()
	defer func() { h.pid, h.role, h.reloads, h.relaunch = i.Pid, role, reloads, false }()
	switch {
	case was != "" && role != was:
		a.tell("on_role_change", was, role)
	case i.Pid == h.pid && reloads != h.reloads:
		a.tell("on_reload", was, role)
	case i.Pid == h.pid:
	case h.relaunch || h.pid != 0:
		a.tell("on_restart", was, role)
	default:
		a.tell("on_start", was, role)
	}
}

func (a *Agent) reloads() int64 {
	if a.o.Reloads == nil {
		return 0
	}
	return a.o.Reloads()
}

func (a *Agent) tell(action string, old, role cluster.Role) {
	e := cluster.Event{
		Action: action, OldRole: old, Role: role, Timeline: a.s.instance.Timeline, LSN: a.s.instance.Position(), At: a.wall(),
		Epoch: a.s.lastEpoch, TraceParent: a.story.traceParent(),
	}
	if l := a.o.Store.Lease(); l.Held() {
		e.Epoch = l.Epoch
	}
	a.log.Debug("event", "action", action, "role", role, "was", old)
	a.o.Site.Event(e)
}

// announceRoute tells routers where clients belong, as leader and when that
// changed, or that there is no primary when the leader's server has gone.
// Whoever leads next has a newer epoch, which wins.
func (a *Agent) announceRoute() {
	r := a.route()
	if r == nil {
		if old := a.s.herald.route; old != nil && !a.s.instance.Running {
			a.s.herald.route = nil
			a.o.Site.Route(cluster.Route{Epoch: old.Epoch, TraceParent: a.story.traceParent()}) // nobody is to be sent here
		}
		return
	}
	if old := a.s.herald.route; old != nil && sameRoute(*old, *r) {
		return
	}
	a.s.herald.route = r
	a.o.Site.Route(*r)
}

// route is where clients belong by what this leader knows; nil if it does not
// lead, or is not primary.
func (a *Agent) route() *cluster.Route {
	l, c, i := a.o.Store.Lease(), a.s.cluster, a.s.instance
	if !l.Valid(a.now()) || c == nil || !i.Ready || i.Standby || a.s.job != nil && a.s.job.stopping {
		return nil
	}
	r := &cluster.Route{Epoch: l.Epoch, TraceParent: a.story.traceParent()}
	own := cluster.MemberData{ConnURL: a.o.ConnURL}
	if host, port, ok := own.Address(); ok {
		r.Primary = &cluster.Endpoint{Name: a.o.Name, Host: host, Port: port}
	}
	for _, m := range c.Members {
		host, port, ok := m.Data.Address()
		if ok && m.Name != a.o.Name && m.Data.State == cluster.StateRunning && !m.Data.Tags.NoLoadBalance() {
			r.Replicas = append(r.Replicas, cluster.Endpoint{Name: m.Name, Host: host, Port: port})
		}
	}
	return r
}

func sameRoute(a, b cluster.Route) bool {
	return a.Epoch == b.Epoch && *a.Primary == *b.Primary && slices.Equal(a.Replicas, b.Replicas)
}

// drainRouters lets routers keep new work from this primary before it stops.
func (a *Agent) drainRouters(ctx context.Context, r *cluster.Route) {
	if a.o.Site == nil || r == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	a.o.Site.Drain(ctx, *r)
}

// prePromote asks the site whether this node may be promoted.
func (a *Agent) prePromote(ctx context.Context) error {
	if a.o.PrePromote == nil {
		return nil
	}
	return a.o.PrePromote(ctx)
}

// build is the data directory that is being made, nil if none is.
func (a *Agent) build() *cluster.Build {
	if a.o.Build == nil {
		return nil
	}
	return a.o.Build()
}
