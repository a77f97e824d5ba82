package agent

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/pgregent/pgregent/core/lease"
)

// WatchdogTiming is what a watchdog's timeout follows from.
type WatchdogTiming struct {
	TTL, LoopWait time.Duration
	// Lease is from a proof to the hard deadline; 0 if unknown.
	Lease time.Duration
}

// Watchdog resets the host when it is not fed. core/watchdog implements it.
type Watchdog interface {
	// Check says why Activate would fail, without starting anything.
	Check(t WatchdogTiming) error
	// Activate starts the device, or takes a changed timing over, and feeds it.
	Activate(t WatchdogTiming) error
	// Active reports that the host resets if nobody feeds.
	Active() bool
	// Disable ends that. It does nothing when not active.
	Disable() error
}

const (
	// watchdogEvery is how often it is looked whether the lease was proven.
	watchdogEvery = 500 * time.Millisecond
	// watchdogAgain is the pause after a device that could not be started.
	watchdogAgain = 5 * time.Second
)

// watcher feeds the watchdog after each proof of the lease, beside the loop.
type watcher struct {
	a *Agent
	// failed is why a primary has no watchdog; nil: it has, or none is needed.
	failed atomic.Pointer[string]
	use    atomic.Int32 // a watchdogUse

	// Owned by run:
	fedFor  lease.Instant // the proof for which the device was last fed
	timing  WatchdogTiming
	retryAt lease.Instant
}

// watchdogUse is what SetWatchdog has said last.
type watchdogUse int32

const (
	watchdogAsStarted watchdogUse = iota // nothing: as Options say
	watchdogOff
	watchdogAutomatic
	watchdogRequired
)

// SetWatchdog changes, while the agent runs, whether the watchdog is used and
// whether this node leads without.
func (a *Agent) SetWatchdog(used, required bool) {
	use := watchdogOff
	switch {
	case used && required:
		use = watchdogRequired
	case used:
		use = watchdogAutomatic
	}
	a.watcher.use.Store(int32(use))
	a.Wake()
}

// dog is the watchdog in use, nil if there is none.
func (a *Agent) dog() Watchdog {
	if a.o.Watchdog == nil || watchdogUse(a.watcher.use.Load()) == watchdogOff {
		return nil
	}
	return a.o.Watchdog
}

// needsDog reports that this node does not lead without the watchdog.
func (a *Agent) needsDog() bool {
	if use := watchdogUse(a.watcher.use.Load()); use != watchdogAsStarted {
		return use == watchdogRequired
	}
	return a.o.WatchdogRequired
}

func (w *watcher) run(ctx context.Context) {
	if w.a.o.Watchdog == nil {
		return
	}
	tick := time.NewTicker(watchdogEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.step(w.a.now())
		}
	}
}

// step feeds an active watchdog if the right to be primary was proven anew,
// arms that of an adopted primary, and disables it when nothing here can be
// written any more.
func (w *watcher) step(now lease.Instant) {
	dog := w.a.o.Watchdog
	if guarded := w.a.writable.Load() && !w.a.paused.Load() && w.a.dog() != nil; !guarded {
		w.fedFor, w.retryAt = 0, 0
		w.failed.Store(nil)
		if dog.Active() && w.a.observed.Load() {
			w.note(dog.Disable())
		}
		return
	}
	l, f := w.a.o.Store.Lease(), w.a.failsafe.right()
	var proven lease.Instant
	if l.Valid(now) {
		proven = l.Sent
	}
	if f.Carries(l, now) {
		proven = max(proven, f.Asked)
	}
	timing := w.a.watchdogTiming(l)
	if proven == 0 || (proven == w.fedFor && timing == w.timing) || now.Before(w.retryAt) {
		return
	}
	w.activate(now, proven, timing)
}

// activate arms or feeds the device for that proof.
func (w *watcher) activate(now, proven lease.Instant, timing WatchdogTiming) {
	err := w.a.o.Watchdog.Activate(timing)
	w.note(err)
	if err != nil {
		text := err.Error()
		w.retryAt = now.Add(watchdogAgain)
		w.failed.Store(&text)
		if w.a.needsDog() {
			w.a.Wake()
		}
		return
	}
	w.fedFor, w.timing, w.retryAt = proven, timing, 0
	w.failed.Store(nil)
}

// note tells what is wrong, once until it is well again.
func (w *watcher) note(err error) {
	if err == nil || w.failed.Load() != nil {
		return
	}
	level := slog.LevelInfo // one that may be missing is nothing to worry about
	if w.a.needsDog() {
		level = slog.LevelWarn
	}
	w.a.log.Log(context.Background(), level, "watchdog", "err", err)
}

// watchdogTiming is from the settings that were last published.
func (a *Agent) watchdogTiming(l lease.Lease) WatchdogTiming {
	s := a.status.Load().Settings
	t := WatchdogTiming{TTL: s.TTL, LoopWait: s.LoopWait}
	if l.Held() {
		t.Lease = lease.TimingOf(l.Params).Kill
	}
	return t
}

// watchdogErr is why this node must not lead; "" if it may.
func (a *Agent) watchdogErr() string {
	dog := a.dog()
	if dog == nil || !a.needsDog() {
		return ""
	}
	if a.writable.Load() { // what counts is whether it was armed
		if p := a.watcher.failed.Load(); p != nil {
			return *p
		}
		return ""
	}
	if err := dog.Check(a.watchdogTiming(a.o.Store.Lease())); err != nil {
		return err.Error()
	}
	return ""
}

// arm must succeed before PostgreSQL becomes writable: the fence first, then
// the watchdog.
func (a *Agent) arm() error {
	if err := a.armFence(); err != nil {
		return err
	}
	dog := a.dog()
	if dog == nil {
		return nil
	}
	a.setWritable(true) // so that the watcher does not disable what follows
	err := dog.Activate(a.watchdogTiming(a.o.Store.Lease()))
	if err != nil && a.needsDog() {
		return fmt.Errorf("becoming primary needs the watchdog: %w", err)
	}
	if err != nil {
		a.log.Info("becoming primary without a watchdog", "err", err)
	}
	return nil
}

// stopWatchdog is for the end of the agent. A primary that could not be
// stopped keeps its watchdog, which nobody feeds then.
func (a *Agent) stopWatchdog(ctx context.Context) {
	if a.o.Watchdog == nil || !a.o.Watchdog.Active() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, observeLimit)
	defer cancel()
	if !a.paused.Load() && a.o.Postgres.Observe(ctx).Primary() {
		a.log.Error("PostgreSQL still runs as primary: leaving the watchdog active")
		return
	}
	if err := a.o.Watchdog.Disable(); err != nil {
		a.log.Warn("stop the watchdog", "err", err)
	}
}
