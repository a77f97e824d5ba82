package agent

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/lease"
)

// fakeDog notes what it is told.
type fakeDog struct {
	err    error
	active bool
	heard  []string
}

func (d *fakeDog) Check(WatchdogTiming) error { return d.err }
func (d *fakeDog) Active() bool               { return d.active }

func (d *fakeDog) Activate(WatchdogTiming) error {
	if d.err != nil {
		return d.err
	}
	d.active = true
	d.heard = append(d.heard, "feed")
	return nil
}

func (d *fakeDog) Disable() error {
	d.active = false
	d.heard = append(d.heard, "disable")
	return nil
}

func proofOf(sent lease.Instant) lease.Lease {
	l := silentLease()
	l.Sent = sent
	return l
}

func TestWatchdogIsFedByProofsOnly(t *testing.T) {
	store, dog := &leasedStore{}, &fakeDog{}
	a := testAgent(store, nil)
	a.o.Watchdog, a.o.WatchdogRequired = dog, true
	w := a.watcher
	now := lease.Now()
	a.observed.Store(true)
	step := func(what string, want ...string) {
		t.Helper()
		dog.heard = nil
		if w.step(now); !slices.Equal(dog.heard, want) {
			t.Errorf("%s: heard %v, want %v", what, dog.heard, want)
		}
	}
	step("a standby")
	a.writable.Store(true)
	step("an adopted primary without proof")
	store.set(proofOf(now))
	step("the first proof", "feed")
	step("no further proof")
	store.set(proofOf(now + 1))
	step("the next proof", "feed")
	store.set(proofOf(now.Add(-time.Minute)))
	step("a lease that is over")
	right := lease.NewFailsafe(7, now, 10*time.Second, nil)
	a.failsafe.held.Store(&right)
	step("carried on by promises", "feed")
	a.paused.Store(true)
	step("pause", "disable")
	step("pause goes on")
	a.paused.Store(false)
	step("resumed", "feed")
	a.SetWatchdog(false, false)
	step("turned off", "disable")
	step("off goes on")
	if dog.err = errors.New("no such device"); a.watchdogErr() != "" || a.arm() != nil {
		t.Error("a watchdog that is off stands in the way")
	}
	dog.err = nil
	a.SetWatchdog(true, true)
	step("turned on", "feed")
	a.writable.Store(false)
	step("demoted", "disable")
}

func TestARequiredWatchdogThatFails(t *testing.T) {
	store, dog := &leasedStore{}, &fakeDog{err: errors.New("no such device")}
	a := testAgent(store, nil)
	a.o.Watchdog = dog
	if a.watchdogErr() != "" {
		t.Error("a watchdog that is not required stands in the way")
	}
	a.o.WatchdogRequired = true
	if a.watchdogErr() != "no such device" {
		t.Errorf("a standby: got %q", a.watchdogErr())
	}
	now := lease.Now()
	store.set(proofOf(now))
	if err := a.arm(); err == nil || a.watchdogErr() != "" {
		t.Errorf("arm: got %v and %q", err, a.watchdogErr())
	}
	if a.watcher.step(now); a.watchdogErr() != "no such device" {
		t.Errorf("a primary: got %q", a.watchdogErr())
	}
	dog.err = nil
	if a.watcher.step(now); dog.active {
		t.Error("tried again at once")
	}
	if a.watcher.step(now.Add(watchdogAgain)); !dog.active || a.watchdogErr() != "" {
		t.Errorf("did not recover: %q", a.watchdogErr())
	}
	if err := a.arm(); err != nil {
		t.Error(err)
	}
}
