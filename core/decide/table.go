package decide

// group is a part of the table.
type group struct {
	// within is what every rule of the group asks for, so that most rounds need
	// not try them one by one; nil: nothing.
	within func(*View) bool
	rules  []Rule
}

// table is made once: every round of an agent goes through it.
var table = makeTable()

func makeTable() []group {
	paused := func(v *View) bool { return v.Settings.Pause }
	remote := func(v *View) bool { return v.Settings.StandbyCluster != nil }
	empty := func(v *View) bool {
		return !v.Instance.Running || v.Instance.DataEmpty || v.Instance.DataProblem != "" || v.Reinit
	}
	down := func(v *View) bool { return !v.Instance.Running || v.Lease.Held() }
	leading := func(v *View) bool { return v.Lease.Held() || v.Restart }
	racing := func(v *View) bool {
		return !v.Instance.Ready || v.StoreErr != "" || v.Cluster == nil || v.Cluster.Leader == nil
	}
	return []group{
		{nil, identityRules()},
		{nil, jobRules()},
		{nil, safetyRules()},
		{nil, fenceRules()},
		{nil, watchdogRules()},
		{nil, requestDownRules()},
		{nil, busyRules()},
		{nil, failsafeRules()},
		{paused, pauseRules()},
		{empty, emptyRules()},
		{remote, standbyClusterRules()},
		{down, downRules()},
		{nil, stalledRules()},
		{nil, requestRules()},
		{nil, scheduleRules()},
		{remote, standbyLeaderRules()},
		{leading, leaderRules()},
		{racing, raceRules()},
		{nil, copyRules()},
		{nil, followRules()},
	}
}

// Rules is the whole table in order. The result is the caller's.
func Rules() []Rule {
	var all []Rule
	for _, g := range table {
		all = append(all, g.rules...)
	}
	return all
}
