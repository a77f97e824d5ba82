package main

import (
	"log/slog"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/core/watchdog"
)

// watchdogDevice is the agent's view of the watchdog.
type watchdogDevice struct{ *watchdog.Watchdog }

// newWatchdog returns the watchdog of that configuration; nil if it wants none.
func newWatchdog(c config.Watchdog, log *slog.Logger) agent.Watchdog {
	if c.Mode == config.WatchdogOff {
		return nil
	}
	return watchdogDevice{watchdog.New(watchdog.Options{Device: c.Device, Testing: c.Testing, SafetyMargin: c.SafetyMargin, Logger: log})}
}

func (w watchdogDevice) Check(t agent.WatchdogTiming) error {
	return w.Watchdog.Check(watchdog.Timing(t))
}

func (w watchdogDevice) Activate(t agent.WatchdogTiming) error {
	return w.Watchdog.Activate(watchdog.Timing(t))
}
