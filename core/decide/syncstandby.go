package decide

import (
	"cmp"
	"slices"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// standby is one that streams from this primary and may confirm commits.
type standby struct {
	name       string
	position   cluster.LSN // as far as synchronous_commit asks for
	priority   int
	state      string // sync_state
	noFailover bool
}

// activeStandbys are the members that may confirm commits, the best first.
func activeStandbys(v *View) []standby {
	var list []standby
	for _, w := range v.Instance.Replication {
		m := memberFold(v.Cluster, w.ApplicationName)
		if m == nil || w.State != "streaming" || strings.EqualFold(m.Name, v.Self) || m.Data.State != cluster.StateRunning || m.Data.Tags.NoSync() {
			continue
		}
		position := confirmed(w, v.Instance.SyncCommit)
		twice := slices.ContainsFunc(list, func(b standby) bool { return b.name == m.Name })
		if position == 0 || twice || cascades(v, m) {
			continue
		}
		list = append(list, standby{
			name: m.Name, position: position, state: w.SyncState,
			priority: m.Data.Tags.SyncPriority(), noFailover: m.Data.Tags.NoFailover(),
		})
	}
	return withoutLaggards(sortStandbys(list), v)
}

// confirmed is how much of the log a standby has in the sense of
// synchronous_commit.
func confirmed(w cluster.WALSender, commit string) cluster.LSN {
	switch commit {
	case "remote_write":
		return w.WriteLSN
	case "remote_apply":
		return w.ReplayLSN
	}
	return w.FlushLSN
}

// sortStandbys puts the best first: by priority, then those that are
// synchronous already, then by position; those that may not lead come last.
func sortStandbys(list []standby) []standby {
	slices.SortStableFunc(list, func(a, b standby) int {
		if a.noFailover != b.noFailover {
			if a.noFailover {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(b.state, a.state), cmp.Compare(b.position, a.position), cmp.Compare(a.name, b.name))
	})
	return list
}

// withoutLaggards drops those that are further behind than
// maximum_lag_on_syncnode: behind the best of them, or behind the leader if
// there is only one.
func withoutLaggards(list []standby, v *View) []standby {
	limit := v.Settings.MaximumLagOnSyncnode
	if limit == 0 || len(list) == 0 {
		return list
	}
	first := v.Instance.WriteLSN
	if len(list) > 1 {
		first = slices.MaxFunc(list, func(a, b standby) int { return cmp.Compare(a.position, b.position) }).position
	}
	return slices.DeleteFunc(list, func(b standby) bool { return b.position+limit < first })
}

// cascades reports that a member is meant to stream from another standby that
// streams from here: it is here only for a while.
func cascades(v *View, m *cluster.Member) bool {
	for range len(v.Cluster.Members) {
		from := m.Data.Tags.ReplicateFrom()
		next := v.Cluster.Member(from)
		if next == nil || next.Name == v.Self || next.Name == m.Name {
			return false
		}
		for _, w := range v.Instance.Replication {
			if strings.EqualFold(w.ApplicationName, next.Name) && w.State == "streaming" {
				return true
			}
		}
		m = next
	}
	return false
}

func memberFold(c *cluster.Cluster, name string) *cluster.Member {
	for i := range c.Members {
		if strings.EqualFold(c.Members[i].Name, name) {
			return &c.Members[i]
		}
	}
	return nil
}
