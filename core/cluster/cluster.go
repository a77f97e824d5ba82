package cluster

import (
	"strconv"
	"strings"
)

// Cluster is one view of everything under the cluster's path. It is read
// key by key, so keys may stem from slightly different moments: a decision
// that depends on one makes its write conditional on it. A view is shared
// and must not be changed.
type Cluster struct {
	// Initialize is the value of the initialize key; nil when absent, ""
	// while a bootstrap runs somewhere, else the system identifier.
	Initialize *string
	// InitializeVersion is the data version of that key.
	InitializeVersion int32
	Config            DynamicConfig
	// Leader is nil when nobody holds the leader lock.
	Leader   *Leader
	Members  []Member // sorted by name
	Failover Failover
	Sync     SyncState
	Status   Status
	// Failsafe maps member names to REST URLs; nil when absent.
	Failsafe map[string]string
	History  History
	// HistoryZxid is the transaction that wrote the history key; 0: unknown.
	HistoryZxid int64
	// Findings are keys that could not be understood, one sentence each.
	Findings []string
}

// DynamicConfig is the config key.
type DynamicConfig struct {
	// Object is nil when the key is absent, empty or unreadable.
	Object *Object
	// Version is the condition of a change, NoVersion if the key is absent.
	Version int32
	// ModifiedZxid tells one content from the next.
	ModifiedZxid int64
}

// Member returns the member with that exact name, or nil.
func (c *Cluster) Member(name string) *Member {
	if c == nil {
		return nil
	}
	for i := range c.Members {
		if c.Members[i].Name == name {
			return &c.Members[i]
		}
	}
	return nil
}

// LeaderName is the holder of the leader lock, "" if it is free.
func (c *Cluster) LeaderName() string {
	if c == nil || c.Leader == nil {
		return ""
	}
	return c.Leader.Name
}

// LeaderMember is the member entry of the leader, or nil. A leader without
// member entry is legal for a moment.
func (c *Cluster) LeaderMember() *Member {
	if name := c.LeaderName(); name != "" {
		return c.Member(name)
	}
	return nil
}

// SystemID is the database system identifier of the initialize key, "" when
// it is absent or not valid (ten digits at least).
func (c *Cluster) SystemID() string {
	if c == nil || c.Initialize == nil || !ValidSystemID(*c.Initialize) {
		return ""
	}
	return *c.Initialize
}

// ValidSystemID reports that s looks like a database system identifier.
func ValidSystemID(s string) bool {
	if len(s) < 10 {
		return false
	}
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil && !strings.HasPrefix(s, "+")
}

// Path is the base path of a cluster's keys: /namespace/scope with runs of
// slashes collapsed.
func Path(namespace, scope string) string {
	var parts []string
	for p := range strings.SplitSeq(namespace+"/"+scope, "/") {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return "/" + strings.Join(parts, "/")
}
