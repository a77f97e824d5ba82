package plugins

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/plugins/script"
)

// scripts runs the callbacks of the configuration as Patroni does: one at a
// time, a new one kills the one that runs, and only the newest waits. Callbacks
// on_reload have a place of their own, so that none of them kills another.
type scripts struct {
	h            *Host
	main, reload *slot
}

func newScripts(h *Host) *scripts {
	return &scripts{h: h, main: newSlot(h), reload: newSlot(h)}
}

func (s *scripts) drain(limit time.Duration) {
	s.main.drain(limit)
	s.reload.drain(limit)
}

// call queues the callback for an event. It returns at once.
func (s *scripts) call(e cluster.Event) {
	line := s.h.o.Callbacks()[e.Action]
	if line == "" {
		return
	}
	role := string(e.Role)
	if e.Role == cluster.RolePrimary {
		role = s.h.o.PrimaryWord()
	}
	c := call{event: e, line: line, args: []string{e.Action, role, s.h.o.Cluster}}
	if e.Action == "on_reload" {
		s.reload.put(c)
		return
	}
	s.main.put(c)
}

// call is one callback to run.
type call struct {
	event cluster.Event
	line  string
	args  []string
}

// slot runs one callback at a time.
type slot struct {
	h *Host

	mu      sync.Mutex
	pending *call
	cancel  context.CancelCauseFunc // of the one that runs; nil if none does
	busy    bool
	idle    chan struct{} // closed when nothing waits or is being started
	epoch   cluster.Epoch // newest seen
}

func newSlot(h *Host) *slot {
	idle := make(chan struct{})
	close(idle)
	return &slot{h: h, idle: idle}
}

// errReplaced is why a callback was killed.
var errReplaced = errors.New("a newer callback came")

// put makes c the next one, in place of one that waits.
func (s *slot) put(c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.event.Epoch < s.epoch && c.event.Role == cluster.RolePrimary {
		s.h.log.Warn("callback refused: it is of an older leadership", "action", c.event.Action, "epoch", int64(c.event.Epoch), "newest", int64(s.epoch))
		return
	}
	s.epoch = max(s.epoch, c.event.Epoch)
	if s.pending != nil {
		s.h.log.Warn("callback dropped: a newer one came first", "action", s.pending.event.Action, "role", s.pending.args[1])
	}
	s.pending = &c
	if s.cancel != nil {
		s.cancel(errReplaced)
	}
	if !s.busy {
		s.busy, s.idle = true, make(chan struct{})
		go s.work()
	}
}

// work runs callbacks until none waits.
func (s *slot) work() {
	for {
		s.mu.Lock()
		c := s.pending
		if c == nil {
			s.busy, s.cancel = false, nil
			s.settle()
			s.mu.Unlock()
			return
		}
		s.pending = nil
		ctx, cancel := context.WithCancelCause(context.Background()) // outlives the agent's stop
		s.cancel = cancel
		s.mu.Unlock()
		s.run(ctx, *c)
		cancel(nil)
	}
}

// settle tells drain; s.mu is held.
func (s *slot) settle() {
	select {
	case <-s.idle:
	default:
		close(s.idle)
	}
}

func (s *slot) run(ctx context.Context, c call) {
	s.h.counts.callbacks.Add(1)
	began := time.Now()
	log := s.h.log.With("action", c.args[0], "role", c.args[1])
	err := script.Run(ctx, script.Command{
		Line: c.line, Args: c.args, Survives: true,
		Started: func(pgid int) {
			log.Info("callback started", "pid", pgid)
			s.mu.Lock()
			if s.pending == nil {
				s.settle()
			}
			s.mu.Unlock()
		},
	})
	took := time.Since(began).Round(time.Millisecond)
	switch {
	case errors.Is(err, errReplaced):
		log.Warn("callback killed", "reason", err, "took", took)
	case err != nil:
		s.h.counts.callbackFailures.Add(1)
		log.Warn("callback failed", "err", err, "took", took)
	default:
		log.Info("callback done", "took", took)
	}
}

// drain waits until all callbacks were started.
func (s *slot) drain(limit time.Duration) {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	select {
	case <-idle:
	case <-time.After(limit):
	}
}
