package decide

// group is a part of the table. All rules of a group ask for its scope, so that
// most rounds need not try them one by one.
type group struct {
	scope scope
	rules []Rule
}

// scope is a condition that several rules share.
type scope int

const (
	always        scope = iota
	inPause             // the cluster is paused
	behindRemote        // it is a standby cluster
	maybeEmpty          // there may be no data, or a fresh copy is wanted
	maybeDown           // PostgreSQL may be down, or this session has the lock
	maybeLeading        // this session has the lock, or a restart is wanted
	maybeUnlocked       // the lock may be free, or PostgreSQL does not answer
)

// holds reports that rules of that scope can match.
func (s scope) holds(v *View) bool {
	switch s {
	case inPause:
		return v.Settings.Pause
	case behindRemote:
		return v.Settings.StandbyCluster != nil
	case maybeEmpty:
		return !v.Instance.Running || v.Instance.DataEmpty || v.Instance.DataProblem != "" || v.Reinit
	case maybeDown:
		return !v.Instance.Running || v.Lease.Held()
	case maybeLeading:
		return v.Lease.Held() || v.Restart
	case maybeUnlocked:
		return !v.Instance.Ready || v.StoreErr != "" || v.Cluster == nil || v.Cluster.Leader == nil
	}
	return true
}

// table is made once: every round of an agent goes through it.
var table = makeTable()

func makeTable() []group {
	return []group{
		{always, identityRules()},
		{always, jobRules()},
		{always, safetyRules()},
		{always, fenceRules()},
		{always, watchdogRules()},
		{always, requestDownRules()},
		{always, busyRules()},
		{always, failsafeRules()},
		{inPause, pauseRules()},
		{maybeEmpty, emptyRules()},
		{behindRemote, standbyClusterRules()},
		{maybeDown, downRules()},
		{always, stalledRules()},
		{always, requestRules()},
		{always, scheduleRules()},
		{behindRemote, standbyLeaderRules()},
		{maybeLeading, leaderRules()},
		{maybeUnlocked, raceRules()},
		{always, copyRules()},
		{always, followRules()},
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
