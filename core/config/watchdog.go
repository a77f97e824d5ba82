package config

import (
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

const (
	defaultWatchdog     = "/dev/watchdog"
	defaultSafetyMargin = 5 * time.Second
)

// watchdogModes are the words for the modes. YAML reads off as false.
var watchdogModes = map[string]WatchdogMode{
	"off": WatchdogOff, "false": WatchdogOff, "disable": WatchdogOff, "disabled": WatchdogOff,
	"automatic": WatchdogAutomatic, "auto": WatchdogAutomatic,
	"required": WatchdogRequired, "require": WatchdogRequired,
}

func (d *document) watchdog() Watchdog {
	w := Watchdog{Mode: WatchdogAutomatic, Device: defaultWatchdog, SafetyMargin: defaultSafetyMargin}
	if v := d.lookup("watchdog.mode"); v != nil {
		mode, ok := watchdogModes[strings.ToLower(cluster.Text(v))]
		if !ok {
			d.report(Error, "watchdog.mode", v, "must be off, automatic or required")
		}
		w.Mode = mode
	}
	if device := d.text("watchdog.device"); device != "" {
		w.Device = device
	}
	switch v := d.lookup("watchdog.driver"); strings.ToLower(cluster.Text(v)) {
	case "testing":
		w.Testing = true
	case "default":
	default:
		if v != nil {
			d.report(Error, "watchdog.driver", v, "must be default or testing")
		}
	}
	if v := d.lookup("watchdog.safety_margin"); v != nil {
		margin, err := cluster.ParseSeconds(v)
		if err != nil || margin < -time.Second {
			d.report(Error, "watchdog.safety_margin", v, "must be a number of seconds, or -1 for half the ttl")
		}
		w.SafetyMargin = margin
	}
	return w
}
