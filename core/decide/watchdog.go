package decide

// unwatched reports that this node must not lead, because watchdog.mode is
// required and the device cannot be used.
func (v *View) unwatched() bool { return v.WatchdogErr != "" && !v.Settings.Pause }

func watchdogRules() []Rule {
	return []Rule{
		{
			Name: "watchdog-lost",
			Doc:  "The primary's required watchdog cannot be armed or fed: PostgreSQL is stopped.",
			When: func(v *View) bool { return v.unwatched() && v.Instance.Primary() && v.Job == nil },
			Then: func(v *View) Decision {
				return Decision{Verb: Demote, Immediate: true, Reason: "this node must not be primary without a watchdog: " + v.WatchdogErr}
			},
		},
		{
			Name: "watchdog-missing",
			Doc:  "The required watchdog cannot be used: the node takes no part in a race, and a lock that it holds is given up.",
			When: func(v *View) bool {
				return v.unwatched() && v.Job == nil && !v.Instance.Primary() && v.readable() && (v.Lease.Held() || (v.unlocked() && !v.down()))
			},
			Then: func(v *View) Decision {
				why := "not leading without a watchdog: " + v.WatchdogErr
				if v.Lease.Held() {
					return Decision{Verb: Release, Reason: why}
				}
				return Decision{Verb: Wait, Again: raceAgain, Reason: why}
			},
		},
	}
}
