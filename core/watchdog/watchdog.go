package watchdog

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Options are what a Watchdog needs.
type Options struct {
	// Device is the path of the device, or of the FIFO.
	Device string
	// Testing means that Device is a FIFO.
	Testing bool
	// SafetyMargin is subtracted from the ttl; see HalfTTL.
	SafetyMargin time.Duration
	Logger       *slog.Logger
}

// Watchdog is one device.
type Watchdog struct {
	o    Options
	open func(path string) (device, error)

	mu      sync.Mutex
	dev     device // nil: not active
	timeout time.Duration
}

// New returns a watchdog that is not active.
func New(o Options) *Watchdog {
	return &Watchdog{o: o, open: openerOf(o)}
}

func openerOf(o Options) func(path string) (device, error) {
	if o.Testing {
		return openFIFO
	}
	return openLinux
}

// Check reports why Activate would fail, as far as it can be known without
// starting the device.
func (w *Watchdog) Check(t Timing) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := Timeout(t, w.o.SafetyMargin); err != nil {
		return fmt.Errorf("use watchdog: %w", err)
	}
	if w.dev != nil {
		return nil
	}
	if err := writable(w.o.Device); err != nil {
		return fmt.Errorf("use watchdog: %w", err)
	}
	return nil
}

// Active reports that the host resets if nobody feeds.
func (w *Watchdog) Active() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dev != nil
}

// Activate starts the device, or takes a changed timing over, and feeds it. A
// device that does not take the timeout is stopped again, and so is one that
// there is no timeout for any more: nobody would feed it.
func (w *Watchdog) Activate(t Timing) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	timeout, err := Timeout(t, w.o.SafetyMargin)
	if err != nil {
		return errors.Join(fmt.Errorf("activate watchdog: %w", err), w.disable())
	}
	if w.dev != nil && timeout == w.timeout {
		return w.feed()
	}
	dev := w.dev
	if dev == nil {
		if dev, err = w.open(w.o.Device); err != nil {
			return fmt.Errorf("activate watchdog: %w", err)
		}
	}
	granted, err := dev.setTimeout(seconds(timeout))
	if err == nil && (granted > seconds(timeout) || granted < seconds(t.LoopWait)) {
		err = fmt.Errorf("%s has set a timeout of %d s instead of %v", w.o.Device, granted, timeout)
	}
	if err != nil {
		w.dev = nil
		return errors.Join(fmt.Errorf("activate watchdog: %w", err), stop(dev))
	}
	if w.dev == nil {
		w.o.Logger.Info("watchdog is active", "device", w.o.Device, "timeout", time.Duration(granted)*time.Second)
	}
	w.dev, w.timeout = dev, timeout
	return w.feed()
}

// Change takes another configuration over while the device may be active. The
// timeout of a changed margin counts from the next Activate. Another device is
// active before the former one is stopped; if it cannot be, the former one and
// its configuration stay.
func (w *Watchdog) Change(o Options) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o.Logger == nil {
		o.Logger = w.o.Logger
	}
	open := openerOf(o)
	if same := o.Device == w.o.Device && o.Testing == w.o.Testing; same || w.dev == nil {
		w.o, w.open = o, open
		return nil
	}
	dev, err := open(o.Device)
	if err != nil {
		return fmt.Errorf("change watchdog: %w", err)
	}
	granted, err := dev.setTimeout(seconds(w.timeout))
	if err == nil && granted > seconds(w.timeout) {
		err = fmt.Errorf("%s has set a timeout of %d s instead of %v", o.Device, granted, w.timeout)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("change watchdog: %w", err), stop(dev))
	}
	former, was := w.dev, w.o.Device
	w.o, w.open, w.dev = o, open, dev
	w.o.Logger.Info("watchdog is active", "device", o.Device, "timeout", w.timeout)
	err = w.feed()
	if !former.canStop() {
		w.o.Logger.Error("the former watchdog cannot be stopped: this host resets", "device", was, "after", w.timeout)
	}
	return errors.Join(err, stop(former))
}

// Feed puts the reset off by the timeout. It does nothing when not active.
func (w *Watchdog) Feed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.feed()
}

// feed is Feed with mu held.
func (w *Watchdog) feed() error {
	if w.dev == nil {
		return nil
	}
	if _, err := io.WriteString(w.dev, "1"); err != nil {
		return fmt.Errorf("feed watchdog: %w", err)
	}
	return nil
}

// Disable stops the device. One that cannot be stopped is fed once more, and
// the host resets after its timeout.
func (w *Watchdog) Disable() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.disable()
}

// disable is Disable with mu held.
func (w *Watchdog) disable() error {
	if w.dev == nil {
		return nil
	}
	dev := w.dev
	if !dev.canStop() {
		w.o.Logger.Error("the watchdog cannot be stopped: this host resets", "device", w.o.Device, "after", w.timeout)
		err := w.feed()
		w.dev = nil
		return errors.Join(err, dev.Close())
	}
	w.dev = nil
	if err := stop(dev); err != nil {
		return fmt.Errorf("stop watchdog: %w", err)
	}
	w.o.Logger.Info("watchdog is stopped", "device", w.o.Device)
	return nil
}
