package decide

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// scheduleCases are those of scheduled restarts.
func scheduleCases() []testCase {
	started := time.Unix(1_700_000_000, 0)
	in := func(d time.Duration, more func(*View)) func(*View) {
		return func(v *View) {
			v.Role, v.Instance.StartTime, v.Instance.ServerVersion = cluster.RolePrimary, started, 150004
			v.Scheduled = &ScheduledRestart{At: v.Wall.Add(d), Of: started}
			if more != nil {
				more(v)
			}
		}
	}
	return []testCase{
		{"restart scheduled for later", healthy, in(time.Second, nil), Lead, "lead", ""},
		{"restart scheduled for now", healthy, in(0, nil), Restart, "restart-scheduled", ""},
		{"restart scheduled for now on a standby", standbyOf, in(0, nil), Restart, "restart-scheduled", ""},
		{"restart scheduled for now, nobody leads", standbyOf, in(0, free), AskPeers, "race-ask", ""},
		{"restart scheduled for now, switchover requested", healthy, in(0, func(v *View) { v.Cluster.Failover = cluster.Failover{Leader: "a"} }), AskPeers, "hand-over", ""},
		{"restart scheduled, exactly at the limit", healthy, in(-15*time.Second, nil), Restart, "restart-scheduled", ""},
		{"restart scheduled and missed", healthy, in(-15*time.Second-1, nil), Unschedule, "restart-obsolete", "missed"},
		{"restart scheduled, in pause", healthy, in(-time.Hour, func(v *View) { v.Settings.Pause = true }), Lead, "paused-lead", ""},
		{"restart scheduled, restarted meanwhile", healthy, in(time.Hour, func(v *View) { v.Instance.StartTime = started.Add(1) }), Unschedule, "restart-obsolete", "meanwhile"},
		{"restart scheduled for another role", healthy, in(0, func(v *View) { v.Scheduled.Role = cluster.RoleReplica }), Unschedule, "restart-obsolete", "role is primary"},
		{"restart scheduled for this role", healthy, in(0, func(v *View) { v.Scheduled.Role = cluster.RolePrimary }), Restart, "restart-scheduled", ""},
		{"restart scheduled for another role, not yet", healthy, in(1, func(v *View) { v.Scheduled.Role = cluster.RoleReplica }), Lead, "lead", ""},
		{"restart scheduled for an older version", healthy, in(0, func(v *View) { v.Scheduled.PostgresVersion = 150004 }), Unschedule, "restart-obsolete", "150004"},
		{"restart scheduled for this version", healthy, in(0, func(v *View) { v.Scheduled.PostgresVersion = 150005 }), Restart, "restart-scheduled", ""},
		{"restart scheduled if pending, nothing is", healthy, in(0, func(v *View) { v.Scheduled.Pending = true }), Unschedule, "restart-obsolete", "nothing waits"},
		{"restart scheduled if pending", healthy, in(0, func(v *View) { v.Scheduled.Pending, v.Instance.PendingRestart = true, true }), Restart, "restart-scheduled", ""},
		{"restart scheduled, PostgreSQL is down", healthy, in(0, down), StartPrimary, "leader-crashed-restart", ""},
	}
}
