package zkdcs

import (
	"context"
	"log/slog"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
)

// announce makes the own member key anew, with what was just written to it.
// Patroni before 3.2 watches the list of members but not their values: without
// this it goes on with what it read first, and for instance waits for ever for
// the checkpoint of a promoted leader.
func (s *Store) announce(ctx context.Context, l *link, text []byte, version int32) {
	path := s.paths.member(s.opts.Name)
	_, _, err := write(ctx, l, opDelete(path, version), opCreate(path, text, zk.FlagEphemeral))
	if err != nil { // the value is there; only older members learn of it later
		s.log.Debug("member key not announced", slog.Any("err", err))
	}
}

// blankedLater reports that the request has to stay until this member leads,
// which then removes it. The older agent that took the request reads the keys
// one by one: if it found no leader yet and no request any more, it would tell
// the operator that the switchover has failed.
func (s *Store) blankedLater(f cluster.Failover) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.announcing && f.Leader != "" && f.Leader != s.opts.Name
}

// unseen reports that members which do not watch values act on the difference
// between two values of the own key.
func unseen(before, after cluster.MemberData) bool {
	running := func(d cluster.MemberData) bool { return d.State == cluster.StateRunning }
	return before.Version != after.Version || before.Role != after.Role || running(before) != running(after) ||
		before.CheckpointPending != after.CheckpointPending || before.Tags.Object().String() != after.Tags.Object().String()
}

// unwatching reports that a member other than self does not watch the values
// of member keys.
func unwatching(c *cluster.Cluster, self string) bool {
	for _, m := range c.Members {
		if m.Name != self && m.Data.Before(3, 2) {
			return true
		}
	}
	return false
}
