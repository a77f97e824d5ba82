package decide

import (
	"fmt"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// ScheduledRestart is an operator's request for a restart at a time, with the
// conditions that must hold then.
type ScheduledRestart struct {
	At time.Time
	// Role is "" for any.
	Role cluster.Role
	// PostgresVersion asks for a server older than that, in the style of
	// server_version_num; 0 for any.
	PostgresVersion int
	// Pending asks for settings that wait for a restart.
	Pending bool
	// Of is when the postmaster was started that is to be restarted.
	Of time.Time
}

// unmet says which condition does not hold, "" if all do.
func (r ScheduledRestart) unmet(v *View) string {
	switch {
	case r.Role != "" && r.Role != v.Role:
		return fmt.Sprintf("the role is %s, not %s", v.Role, r.Role)
	case r.PostgresVersion != 0 && r.PostgresVersion <= v.Instance.ServerVersion:
		return fmt.Sprintf("the server's version is %d, not below %d", v.Instance.ServerVersion, r.PostgresVersion)
	case r.Pending && !v.Instance.PendingRestart:
		return "nothing waits for a restart"
	}
	return ""
}

// obsolete says why the scheduled restart is not to be made any more, "" if it
// is.
func obsolete(v *View) string {
	r := v.Scheduled
	switch {
	case !v.Instance.StartTime.Equal(r.Of):
		return "PostgreSQL was restarted meanwhile"
	case v.Wall.After(r.At.Add(v.Settings.LoopWait * 3 / 2)):
		return "its time was missed"
	case !v.Wall.Before(r.At):
		return r.unmet(v)
	}
	return ""
}

func scheduleRules() []Rule {
	scheduled := func(v *View) bool { return v.Scheduled != nil && v.Instance.Ready }
	return []Rule{
		{
			Name: "restart-obsolete",
			Doc:  "The scheduled restart was missed, its conditions do not hold, or PostgreSQL was restarted since: it is dropped.",
			When: func(v *View) bool { return scheduled(v) && obsolete(v) != "" },
			Then: func(v *View) Decision {
				return Decision{Verb: Unschedule, Reason: "the scheduled restart is dropped: " + obsolete(v)}
			},
		},
		{
			Name: "restart-scheduled",
			Doc:  "The time of a scheduled restart has come.",
			When: func(v *View) bool {
				return scheduled(v) && v.readable() && !v.unlocked() && !v.Wall.Before(v.Scheduled.At)
			},
			Then: func(v *View) Decision {
				return Decision{Verb: Restart, Reason: "restart scheduled for " + v.Scheduled.At.Format(time.RFC3339)}
			},
		},
	}
}
