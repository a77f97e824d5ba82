package plugins

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/plugins/proto"
)

// standing is a plugin that is told of events and routes. One goroutine owns
// its process; it is started anew, with growing pauses, when it has gone.
type standing struct {
	h    *Host
	spec Spec
	wake chan struct{}

	mu     sync.Mutex
	events []*proto.Event // that wait, oldest first
	cancel context.CancelCauseFunc
	route  *proto.Route // the newest that was not told yet
	drains chan drain
	router atomic.Bool // whether the plugin is known to be one
}

// drain is a request to keep new work from a primary.
type drain struct {
	ctx   context.Context
	route *proto.Route
	done  chan error
}

// Bounds of what waits for a plugin that is slow or down.
const (
	maxEvents   = 16
	eventLimit  = 60 * time.Second
	routeLimit  = 5 * time.Second
	leastPause  = time.Second
	longestWait = 30 * time.Second
)

func (h *Host) newStanding(s Spec) *standing {
	st := &standing{h: h, spec: s, wake: make(chan struct{}, 1), drains: make(chan drain, 1)}
	h.running.Go(st.run)
	return st
}

func (s *standing) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// event queues an event. A newer one cancels the one that is dealt with, but
// for on_reload.
func (s *standing) event(e *proto.Event) {
	s.mu.Lock()
	s.events = append(s.events, e)
	if over := len(s.events) - maxEvents; over > 0 {
		s.h.log.Warn("events dropped: the plugin does not keep up", "plugin", s.spec.Name, "events", over)
		s.events = s.events[over:]
	}
	if s.cancel != nil && e.Action != "on_reload" {
		s.cancel(errReplaced)
	}
	s.mu.Unlock()
	s.poke()
}

// update makes r the route to tell, in place of one that waits.
func (s *standing) update(r *proto.Route) {
	s.mu.Lock()
	s.route = r
	s.mu.Unlock()
	s.poke()
}

// run keeps the plugin going and tells it what waits.
func (s *standing) run() {
	var p *process
	defer func() {
		if p != nil {
			p.kill()
		}
	}()
	for failures := 0; ; {
		if p == nil || p.exited() {
			if p != nil {
				s.h.log.Error("plugin ended; starting it again", "plugin", s.spec.Name, "err", p.explain(p.runner.waitErr))
				p.kill()
				s.h.counts.restarts.Add(1)
			}
			next, err := s.h.launcher.launch(s.h.ctx, s.spec)
			if err != nil && s.h.ctx.Err() != nil {
				return
			}
			if p = next; err != nil {
				s.h.log.Error("plugin cannot be started", "plugin", s.spec.Name, "err", err)
			} else {
				s.router.Store(p.can(proto.Capability_CAPABILITY_ROUTER))
			}
		}
		ok := p != nil && s.serve(p)
		if s.h.ctx.Err() != nil {
			return
		}
		if ok {
			failures = 0
		} else {
			failures++
			if !s.pause(min(leastPause<<min(failures-1, 5), longestWait)) {
				return
			}
			continue
		}
		var gone <-chan struct{}
		if p != nil {
			gone = p.runner.waited
		}
		select {
		case <-s.wake:
		case d := <-s.drains:
			d.done <- s.drainWith(p, d)
		case <-gone:
			if !s.pause(leastPause) {
				return
			}
		case <-s.h.ctx.Done():
			return
		}
	}
}

// pause waits; a drain meanwhile is refused, since its plugin is down.
func (s *standing) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return true
		case r := <-s.drains:
			r.done <- fmt.Errorf("plugin %s is down", s.spec.Name)
		case <-s.h.ctx.Done():
			return false
		}
	}
}

// serve tells p all that waits. It reports false after a failure that should
// be tried again.
func (s *standing) serve(p *process) bool {
	for {
		s.mu.Lock()
		route := s.route
		s.route = nil
		var event *proto.Event
		if route == nil && len(s.events) > 0 {
			event, s.events = s.events[0], s.events[1:]
		}
		s.mu.Unlock()
		switch {
		case route != nil:
			if !s.tellRoute(p, route) {
				return false
			}
		case event != nil:
			if s.notify(p, event); p.exited() {
				return false
			}
		default:
			return true
		}
	}
}

// tellRoute keeps a route that could not be told, unless a newer one came.
func (s *standing) tellRoute(p *process, r *proto.Route) bool {
	if !p.can(proto.Capability_CAPABILITY_ROUTER) {
		return true
	}
	ctx, cancel := context.WithTimeout(s.h.ctx, routeLimit)
	defer cancel()
	s.h.counts.routes.Add(1)
	began := time.Now()
	r.DeadlineMs = began.Add(routeLimit).UnixMilli()
	answer, err := proto.NewRouterClient(p.conn).Update(ctx, r)
	s.h.o.called(s.spec.Name, "update", r.Traceparent, began, err)
	log := s.h.log.With("plugin", s.spec.Name, "primary", r.Primary.GetName(), "epoch", r.Epoch)
	if err == nil {
		log.Info("route told", "stale", answer.Stale, "took", time.Since(began).Round(time.Millisecond))
		return true
	}
	s.h.counts.routeFailures.Add(1)
	log.Error("tell the route", "err", plain(err))
	s.mu.Lock()
	if s.route == nil {
		s.route = r
	}
	s.mu.Unlock()
	return false
}

// notify tells an event. What fails is not tried again: it is out of date by
// then.
func (s *standing) notify(p *process, e *proto.Event) {
	if !p.can(proto.Capability_CAPABILITY_CALLBACK) {
		return
	}
	ctx, cancel := context.WithTimeout(s.h.ctx, eventLimit)
	defer cancel()
	ctx, replace := context.WithCancelCause(ctx)
	defer replace(nil)
	s.mu.Lock()
	s.cancel = replace
	s.mu.Unlock()
	s.h.counts.callbacks.Add(1)
	e.DeadlineMs = time.Now().Add(eventLimit).UnixMilli()
	began := time.Now()
	_, err := proto.NewCallbackClient(p.conn).Notify(ctx, e)
	s.h.o.called(s.spec.Name, "notify "+e.Action, e.Traceparent, began, err)
	s.mu.Lock()
	s.cancel = nil
	s.mu.Unlock()
	if err != nil {
		s.h.counts.callbackFailures.Add(1)
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		s.h.log.Warn("callback failed", "plugin", s.spec.Name, "action", e.Action, "role", e.Role, "err", plain(err))
	}
}

func (s *standing) drainWith(p *process, d drain) error {
	if !p.can(proto.Capability_CAPABILITY_ROUTER) {
		return nil
	}
	if _, err := proto.NewRouterClient(p.conn).Drain(d.ctx, d.route); err != nil {
		return fmt.Errorf("plugin %s: drain: %w", s.spec.Name, plain(err))
	}
	s.h.log.Info("drained", "plugin", s.spec.Name, "primary", d.route.Primary.GetName(), "epoch", d.route.Epoch)
	return nil
}

// askDrain returns when the plugin has drained, or ctx ended.
func (s *standing) askDrain(ctx context.Context, r *proto.Route) error {
	d := drain{ctx: ctx, route: r, done: make(chan error, 1)}
	select {
	case s.drains <- d:
	case <-ctx.Done():
		return fmt.Errorf("plugin %s: drain: %w", s.spec.Name, context.Cause(ctx))
	}
	select {
	case err := <-d.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("plugin %s: drain: %w", s.spec.Name, context.Cause(ctx))
	}
}

// drain waits until the plugin was told all that waits.
func (s *standing) drain(limit time.Duration) {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(drainLook) {
		s.mu.Lock()
		done := s.route == nil && len(s.events) == 0 && s.cancel == nil
		s.mu.Unlock()
		if done {
			return
		}
	}
}

// drainLook is how often the end of the last calls is looked for at a stop.
const drainLook = 10 * time.Millisecond

// Event tells callbacks, scripts and plugins, what happened. It returns at
// once.
func (h *Host) Event(e cluster.Event) {
	h.scripts.call(e)
	sequence := h.sequence.Add(1)
	for _, s := range h.standing {
		s.event(&proto.Event{
			Action: e.Action, Cluster: h.o.Cluster, Node: h.o.Node, OldRole: string(e.OldRole), Role: string(e.Role), Epoch: int64(e.Epoch),
			Lsn: uint64(e.LSN), Timeline: uint32(e.Timeline), AtMs: e.At.UnixMilli(), Sequence: sequence, Traceparent: h.o.traceParent(),
		})
	}
}

// Route tells routers where clients belong. It returns at once.
func (h *Host) Route(r cluster.Route) {
	for _, s := range h.standing {
		s.update(h.route(r))
	}
}

// Drain tells routers that this primary is about to be switched over, and
// returns when they have reacted, or ctx ends.
func (h *Host) Drain(ctx context.Context, r cluster.Route) {
	var all sync.WaitGroup
	for _, s := range h.standing {
		if !s.router.Load() {
			continue
		}
		all.Go(func() {
			if err := s.askDrain(ctx, h.route(r)); err != nil {
				h.log.Warn("routers are not drained", "err", err)
			}
		})
	}
	all.Wait()
}

func (h *Host) route(r cluster.Route) *proto.Route {
	out := &proto.Route{Cluster: h.o.Cluster, Node: h.o.Node, Epoch: int64(r.Epoch), Sequence: h.sequence.Add(1), Traceparent: h.o.traceParent()}
	if r.Primary != nil {
		out.Primary = endpoint(*r.Primary)
	}
	for _, e := range r.Replicas {
		out.Replicas = append(out.Replicas, endpoint(e))
	}
	return out
}

func endpoint(e cluster.Endpoint) *proto.Endpoint {
	return &proto.Endpoint{Name: e.Name, Host: e.Host, Port: int32(e.Port)}
}
