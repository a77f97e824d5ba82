package main

import (
	"log/slog"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/core/watchdog"
)

// watchdogDevice is the agent's view of the watchdog.
type watchdogDevice struct{ *watchdog.Watchdog }

// newWatchdog returns the watchdog of that configuration, which may not want
// it to be used.
func newWatchdog(c config.Watchdog, log *slog.Logger) watchdogDevice {
	return watchdogDevice{watchdog.New(watchdogOptions(c, log))}
}

func watchdogOptions(c config.Watchdog, log *slog.Logger) watchdog.Options {
	return watchdog.Options{Device: c.Device, Testing: c.Testing, SafetyMargin: c.SafetyMargin, Logger: log}
}

// useWatchdog lets the agent do what the mode says.
func (n *node) useWatchdog(c config.Watchdog) {
	n.agent.SetWatchdog(c.Mode != config.WatchdogOff, c.Mode == config.WatchdogRequired)
}

// reloadWatchdog takes a changed section over. A device that cannot be used
// in place of an active one is not: that one stays.
func (n *node) reloadWatchdog(c config.Watchdog) {
	n.useWatchdog(c) // also stops, with mode off, what is changed below
	if err := n.watchdog.Change(watchdogOptions(c, n.log)); err != nil {
		n.log.Error("reload watchdog; the former device stays in use", "err", err)
	}
}

func (w watchdogDevice) Check(t agent.WatchdogTiming) error {
	return w.Watchdog.Check(watchdog.Timing(t))
}

func (w watchdogDevice) Activate(t agent.WatchdogTiming) error {
	return w.Watchdog.Activate(watchdog.Timing(t))
}
