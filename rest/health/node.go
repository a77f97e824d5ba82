package health

import (
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// node is a status at one instant, with the lag limit of one request.
type node struct {
	*cluster.NodeStatus
	now lease.Instant
	// lagLimit is in bytes and counts only if lagLimited.
	lagLimit   int64
	lagLimited bool
}

// locked reports that this node holds an unexpired lease.
func (n node) locked() bool {
	return n.LeaseUntil != 0 && n.now.Before(lease.Instant(n.LeaseUntil))
}

// adrift reports a paused node without a view: nobody may take the primary
// away then, so the role decides and not the lock.
func (n node) adrift() bool { return n.Cluster == nil && n.Settings.Pause }

func (n node) leader() bool {
	if n.adrift() {
		return isPrimaryRole(role(n.NodeStatus)) || role(n.NodeStatus) == cluster.RoleStandbyLeader
	}
	return n.locked()
}

// primary does not look at PostgreSQL's state: a primary that restarts under
// its lock keeps its clients. It does wait for the end of a promotion.
func (n node) primary() bool {
	switch {
	case n.Promoting:
		return false
	case n.adrift():
		return isPrimaryRole(role(n.NodeStatus))
	}
	return n.locked() && !standbyCluster(n.NodeStatus)
}

func (n node) standbyLeader() bool {
	r := role(n.NodeStatus)
	if n.adrift() {
		return r == cluster.RoleStandbyLeader
	}
	return n.locked() && standbyCluster(n.NodeStatus) &&
		(r == cluster.RoleReplica || r == cluster.RoleStandbyLeader)
}

func (n node) replica() bool {
	if standbyCluster(n.NodeStatus) && n.locked() {
		return false
	}
	return n.running() && role(n.NodeStatus) == cluster.RoleReplica &&
		!n.Tags.NoLoadBalance() && !n.lagging()
}

func (n node) running() bool { return state(n.NodeStatus) == cluster.StateRunning }

func (n node) serves() bool         { return n.primary() || n.standbyLeader() }
func (n node) readOnly() bool       { return n.serves() || n.replica() }
func (n node) syncReplica() bool    { return syncStandby(n.NodeStatus) && n.replica() }
func (n node) quorumReplica() bool  { return quorumStandby(n.NodeStatus) && n.replica() }
func (n node) readOnlySync() bool   { return n.serves() || n.syncReplica() }
func (n node) readOnlyQuorum() bool { return n.serves() || n.quorumReplica() }
func (n node) asyncReplica() bool {
	return !syncStandby(n.NodeStatus) && !quorumStandby(n.NodeStatus) && n.replica()
}

// viewed makes a check fail without a view: who is synchronous is unknown
// then.
func viewed(check func(node) bool) func(node) bool {
	return func(n node) bool { return n.Cluster != nil && check(n) }
}

// lagging reports that more than the limit is not replayed yet. What was
// received only does not count: clients cannot read it.
func (n node) lagging() bool {
	leader := leaderPosition(n.NodeStatus)
	return n.lagLimited && leader > 0 && behind(leader, n.Instance.ReplayLSN) > n.lagLimit
}

// hasTags compares configured tags. Strings compare exactly, other values as
// lower-cased text.
func (n node) hasTags(want []pair) bool {
	for _, w := range want {
		v := n.Tags.Object().Get(w.key)
		if v == nil {
			return false
		}
		text, isString := v.(string)
		if !isString {
			text = strings.ToLower(cluster.Text(v))
		}
		if text != w.value {
			return false
		}
	}
	return true
}

// leaderPosition is the newest known position of the leader: what it has
// published, or what the WAL receiver was told last.
func leaderPosition(s *cluster.NodeStatus) cluster.LSN {
	var optime cluster.LSN
	if s.Cluster != nil {
		optime = s.Cluster.Status.Optime
	}
	return max(optime, s.Instance.LatestEndLSN)
}

// behind is how many bytes own lies behind leader, negative if ahead.
func behind(leader, own cluster.LSN) int64 { return int64(leader - own) }

func isPrimaryRole(r cluster.Role) bool { return r == cluster.RolePrimary || r == "master" }

// state is the state as the documents show it.
func state(s *cluster.NodeStatus) cluster.State {
	switch {
	case s.Instance.State == "":
		return cluster.StateUnknown
	case s.Instance.State == cluster.StateRunning && !s.Instance.Ready:
		return cluster.StateUnknown
	}
	return s.Instance.State
}

// role is the role as the status document shows it: what PostgreSQL says
// when it answers, else what the agent believes.
func role(s *cluster.NodeStatus) cluster.Role {
	switch {
	case !s.Instance.Ready && s.Role == "":
		return cluster.RoleUninitialized
	case !s.Instance.Ready:
		return s.Role
	case !s.Instance.Standby:
		return cluster.RolePrimary
	case standbyCluster(s) && s.Role != "":
		return s.Role
	}
	return cluster.RoleReplica
}

// standbyCluster reports that the whole cluster follows a server outside.
func standbyCluster(s *cluster.NodeStatus) bool {
	if s.Cluster == nil {
		return s.Role == cluster.RoleStandbyLeader
	}
	return hasUpstream(s.Cluster.Config.Object)
}

func hasUpstream(config *cluster.Object) bool {
	return cluster.IsStandbyCluster(config)
}

func syncStandby(s *cluster.NodeStatus) bool   { return listed(s, "on") }
func quorumStandby(s *cluster.NodeStatus) bool { return listed(s, "quorum") }

func listed(s *cluster.NodeStatus, mode string) bool {
	return s.Settings.SynchronousMode == mode && s.Cluster != nil &&
		s.Instance.Ready && role(s) == cluster.RoleReplica &&
		!standbyCluster(s) && s.Cluster.Sync.HasStandby(s.Name)
}
