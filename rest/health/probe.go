package health

import (
	"net/http"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// Liveness returns the code of /liveness: 503 once the agent's loop is late.
// Before the loop has started for the first time there is nothing that could
// hang, and a supervisor that kills agents which wait for their ZooKeeper
// would only do harm: that is 200.
func Liveness(s *cluster.NodeStatus, now lease.Instant) int {
	return code(s.Settings.Pause || s.LoopUntil == 0 || now.Before(lease.Instant(s.LoopUntil)))
}

// Readiness returns the code of /readiness: 200 for the holder of the leader
// lock and for a standby that streams and is not further behind than the
// query's lag, or else maximum_lag_on_failover. With mode=write the received
// position counts, otherwise the replayed one.
func Readiness(s *cluster.NodeStatus, now lease.Instant, query string) int {
	n := node{NodeStatus: s, now: now}
	switch {
	case n.locked():
		return http.StatusOK
	case !n.running(), s.Instance.ReplicationState != "streaming":
		return http.StatusServiceUnavailable
	case s.Cluster == nil && s.Instance.LatestEndLSN == 0 && !s.FailsafeActive:
		return http.StatusServiceUnavailable
	}
	q := parseQuery(query)
	limit, ok := parseLag(q.lag)
	if !ok {
		limit = int64(s.Settings.MaximumLagOnFailover)
	}
	position := s.Instance.ReplayLSN
	if q.mode == "write" {
		position = s.Instance.ReceiveLSN
	}
	return code(behind(leaderPosition(s), position) <= limit)
}
