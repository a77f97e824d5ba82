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
		w.Mode = watchdogModes[strings.ToLower(cluster.Text(v))]
	}
	if device := d.text("watchdog.device"); device != "" {
		w.Device = device
	}
	w.Testing = strings.EqualFold(d.text("watchdog.driver"), "testing")
	if margin, err := cluster.ParseSeconds(d.lookup("watchdog.safety_margin")); err == nil {
		w.SafetyMargin = margin
	}
	return w
}
