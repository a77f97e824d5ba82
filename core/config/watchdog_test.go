package config

import (
	"strings"
	"testing"
	"time"
)

func TestWatchdog(t *testing.T) {
	for text, want := range map[string]Watchdog{
		"":                       {WatchdogAutomatic, "/dev/watchdog", false, 5 * time.Second},
		"watchdog: {}":           {WatchdogAutomatic, "/dev/watchdog", false, 5 * time.Second},
		"watchdog: {mode: off}":  {WatchdogOff, "/dev/watchdog", false, 5 * time.Second},
		"watchdog: {mode: 'no'}": {},
		"watchdog: {mode: Required, device: /dev/watchdog1, safety_margin: -1}":          {WatchdogRequired, "/dev/watchdog1", false, -time.Second},
		"watchdog: {mode: auto, device: /run/w, driver: testing, safety_margin: 1500ms}": {WatchdogAutomatic, "/run/w", true, 1500 * time.Millisecond},
		"watchdog: {safety_margin: -2}":                                                  {},
		"watchdog: {safety_margin: much}":                                                {},
		"watchdog: {driver: ipmi}":                                                       {},
	} {
		l, findings, err := Load(write(t, minimal+text), nil)
		if want == (Watchdog{}) {
			if err == nil || !strings.Contains(lines(findings), "watchdog.") {
				t.Errorf("%s: got %v, want a finding", text, err)
			}
			continue
		}
		if err != nil || l.Watchdog != want {
			t.Errorf("%s: got %+v, %v, want %+v", text, l.Watchdog, err, want)
		}
	}
}
