package health

import (
	"net/http"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// Check returns the HTTP code, 200 or 503, of a health check at now. path is
// the raw path of the request, leading slash included, and query its raw
// query. A path that is no health check gives 503.
func Check(s *cluster.NodeStatus, now lease.Instant, path, query string) int {
	for _, r := range rules {
		if !r.match(path) {
			continue
		}
		n := node{NodeStatus: s, now: now}
		var q params
		if query != "" {
			q = parseQuery(query)
			n.lagLimit, n.lagLimited = parseLag(q.lag)
		}
		return code(r.healthy(n) && (!r.filtered || n.hasTags(q.tags)))
	}
	return http.StatusServiceUnavailable
}

// rule is one line of the path table.
type rule struct {
	name    string
	match   func(path string) bool
	healthy func(node) bool
	// filtered means that tag_ parameters apply.
	filtered bool
}

// rules is read top down and the first match wins. The upper half matches
// substrings, as the interface always has: scripts use "/replica/" and
// "/foo-primary".
var rules = []rule{
	{"standby-leader", contains("standby_leader", "standby-leader"), node.standbyLeader, false},
	{"leader", contains("leader"), node.leader, false},
	{"primary", isPrimary, node.primary, false},
	{"replica", contains("replica"), node.replica, true},
	{"read-only", isReadOnly, node.readOnly, true},
	{"health", contains("health"), node.running, true},
	{"sync", exactly("/sync", "/synchronous"), viewed(node.syncReplica), true},
	{"quorum", exactly("/quorum"), viewed(node.quorumReplica), true},
	{"async", exactly("/async", "/asynchronous"), viewed(node.asyncReplica), true},
	{"read-only-quorum", exactly("/read-only-quorum"), viewed(node.readOnlyQuorum), true},
	{"read-only-sync", exactly("/read-only-sync", "/read-only-synchronous"), viewed(node.readOnlySync), true},
}

// Aliases returns the documented paths of health checks.
func Aliases() []string {
	return []string{
		"/", "/primary", "/master", "/read-write",
		"/leader", "/standby-leader", "/standby_leader",
		"/replica", "/read-only", "/health",
		"/sync", "/synchronous", "/quorum", "/async", "/asynchronous",
		"/read-only-quorum", "/read-only-sync", "/read-only-synchronous",
	}
}

func contains(words ...string) func(string) bool {
	return func(path string) bool {
		for _, w := range words {
			if strings.Contains(path, w) {
				return true
			}
		}
		return false
	}
}

func exactly(paths ...string) func(string) bool {
	return func(path string) bool {
		for _, p := range paths {
			if path == p {
				return true
			}
		}
		return false
	}
}

func isPrimary(path string) bool {
	return path == "/" || strings.Contains(path, "primary") ||
		strings.Contains(path, "master") || strings.Contains(path, "read-write")
}

func isReadOnly(path string) bool {
	return strings.Contains(path, "read-only") &&
		!strings.Contains(path, "sync") && !strings.Contains(path, "quorum")
}

func code(healthy bool) int {
	if healthy {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}
