package decide

func watchdogCases() []testCase {
	return []testCase{
		{"leader, watchdog cannot be armed", healthy, func(v *View) { v.WatchdogErr = "no such file" }, Demote, "watchdog-lost", "no such file"},
		{"leader, no watchdog, in pause", healthy, func(v *View) { v.WatchdogErr, v.Settings.Pause = "no such file", true }, Lead, "paused-lead", ""},
		{"lock held, no watchdog", standbyOf, func(v *View) { v.WatchdogErr, v.Lease = "no such file", proven(0) }, Release, "watchdog-missing", ""},
		{"crashed leader, no watchdog", healthy, func(v *View) { v.WatchdogErr = "no such file"; down(v) }, Release, "watchdog-missing", ""},
		{"lock free, no watchdog", standbyOf, func(v *View) { free(v); v.WatchdogErr = "no such file" }, Wait, "watchdog-missing", "no such file"},
		{"no cluster yet, no watchdog", standbyOf, func(v *View) { empty(v); free(v); v.Cluster.Initialize, v.WatchdogErr = nil, "no such file" }, Wait, "watchdog-missing", ""},
		{"down, lock free, no watchdog: starts read-only", standbyOf, func(v *View) { down(v); free(v); v.WatchdogErr = "no such file" }, StartStandby, "start-standby", ""},
		{"follows as usual without watchdog", standbyOf, func(v *View) { v.WatchdogErr = "no such file" }, Wait, "standby", ""},
	}
}
