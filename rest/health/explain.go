package health

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// Explain is Check with the reason why the code is not 200; "" if it is. The
// reason is one line without control characters.
func Explain(s *cluster.NodeStatus, now lease.Instant, path, query string) (int, string) {
	if c := Check(s, now, path, query); c == http.StatusOK {
		return c, ""
	}
	n := node{NodeStatus: s, now: now}
	for _, r := range rules {
		if !r.match(path) {
			continue
		}
		q := parseQuery(query)
		n.lagLimit, n.lagLimited = parseLag(q.lag)
		if r.filtered && r.healthy(n) {
			return http.StatusServiceUnavailable, oneLine(n.missingTag(q.tags))
		}
		return http.StatusServiceUnavailable, oneLine(n.why(r.name))
	}
	return http.StatusServiceUnavailable, "there is no such check"
}

// ExplainLiveness is Liveness with its reason.
func ExplainLiveness(s *cluster.NodeStatus, now lease.Instant) (int, string) {
	c := Liveness(s, now)
	if c == http.StatusOK {
		return c, ""
	}
	return c, "the agent's loop is late"
}

// ExplainReadiness is Readiness with its reason.
func ExplainReadiness(s *cluster.NodeStatus, now lease.Instant, query string) (int, string) {
	c := Readiness(s, now, query)
	n := node{NodeStatus: s, now: now}
	switch {
	case c == http.StatusOK:
		return c, ""
	case !n.running():
		return c, oneLine(n.postgres())
	case s.Instance.ReplicationState != "streaming":
		return c, "PostgreSQL does not stream, and this node does not lead"
	case s.Cluster == nil && s.Instance.LatestEndLSN == 0 && !s.FailsafeActive:
		return c, "ZooKeeper does not answer: the lag is not known"
	}
	return c, "the lag is larger than allowed"
}

// why says what a rule lacks.
func (n node) why(rule string) string {
	switch rule {
	case "primary":
		return n.whyNoPrimary()
	case "leader":
		return n.whyNoLock()
	case "standby-leader":
		if n.locked() {
			return "this is not a standby cluster"
		}
		return n.whyNoLock()
	case "health":
		return n.postgres()
	}
	if n.Cluster == nil && rule != "replica" && rule != "read-only" {
		return "ZooKeeper does not answer: who is synchronous is not known"
	}
	if why := n.whyNoReplica(); why != "" {
		return why
	}
	switch rule {
	case "sync", "read-only-sync":
		return "this is not a synchronous standby"
	case "quorum", "read-only-quorum":
		return "this standby is not in the quorum"
	}
	return "this is a synchronous standby"
}

func (n node) whyNoPrimary() string {
	switch {
	case n.Promoting:
		return "the promotion is not finished"
	case n.adrift():
		return "the role is " + string(role(n.NodeStatus))
	case n.locked():
		return "this node leads a standby cluster"
	}
	return n.whyNoLock()
}

func (n node) whyNoLock() string {
	leader := ""
	if n.Cluster != nil {
		leader = n.Cluster.LeaderName()
	}
	switch {
	case n.LeaseUntil != 0:
		return "the lease on the leader lock has run out"
	case n.Cluster == nil:
		return "this node has no leader lock, and ZooKeeper does not answer"
	case leader == "":
		return "nobody holds the leader lock"
	case leader == n.Name:
		return "the lease on the leader lock is not proven"
	}
	return leader + " holds the leader lock"
}

func (n node) whyNoReplica() string {
	switch {
	case standbyCluster(n.NodeStatus) && n.locked():
		return "this node leads a standby cluster"
	case !n.running():
		return n.postgres()
	case role(n.NodeStatus) != cluster.RoleReplica:
		return "the role is " + string(role(n.NodeStatus))
	case n.Tags.NoLoadBalance():
		return "the tag noloadbalance is set"
	case n.lagging():
		return strconv.FormatInt(Lag(n.NodeStatus), 10) + " bytes are not replayed, more than lag allows"
	}
	return ""
}

// postgres says how PostgreSQL is.
func (n node) postgres() string {
	why := "PostgreSQL is in state " + string(state(n.NodeStatus))
	if n.Instance.Err != "" {
		why += ": " + n.Instance.Err
	}
	return why
}

func (n node) missingTag(want []pair) string {
	for _, w := range want {
		if !n.hasTags([]pair{w}) {
			return "the tag " + w.key + " is not " + w.value
		}
	}
	return ""
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// State and Role are as the documents show them.
func State(s *cluster.NodeStatus) cluster.State { return state(s) }

// Role is the role as the status document shows it.
func Role(s *cluster.NodeStatus) cluster.Role { return role(s) }

// Lag is how many bytes of the leader's log are not replayed here, 0 on a
// primary and where the leader's position is not known.
func Lag(s *cluster.NodeStatus) int64 {
	leader := leaderPosition(s)
	if !s.Instance.Ready || !s.Instance.Standby || leader == 0 {
		return 0
	}
	return max(behind(leader, s.Instance.ReplayLSN), 0)
}
