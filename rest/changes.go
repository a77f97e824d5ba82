package rest

import (
	"context"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/rest/health"
)

// follow turns what changes between published statuses into events, until
// ctx ends.
func (s *Server) follow(ctx context.Context) {
	last := s.backend.Status()
	var build buildStory
	for {
		next, err := s.backend.NextStatus(ctx, last)
		if err != nil {
			return
		}
		for _, ch := range changes(last, next) {
			s.events.add(ch.kind, ch.data)
		}
		if ch, ok := build.look(next, time.Now()); ok {
			s.events.add(ch.kind, ch.data)
		}
		last = next
	}
}

type change struct {
	kind string
	data *cluster.Object
}

// changes are the differences that operators care about.
func changes(old, next *cluster.NodeStatus) []change {
	if old == nil {
		old = &cluster.NodeStatus{}
	}
	var out []change
	note := func(kind string, from, to any) {
		o := &cluster.Object{}
		o.Set("member", next.Name)
		o.Set("from", from)
		o.Set("to", to)
		if next.Rule != "" {
			o.Set("rule", next.Rule)
			o.Set("reason", next.Reason)
		}
		out = append(out, change{kind, o})
	}
	if a, b := health.Role(old), health.Role(next); a != b {
		note("role", string(a), string(b))
	}
	if a, b := health.State(old), health.State(next); a != b {
		note("state", string(a), string(b))
	}
	if a, b := old.Job, next.Job; a != b {
		note("operation", a, b)
	}
	if a, b := old.Settings.Pause, next.Settings.Pause; a != b {
		note("pause", a, b)
	}
	if a, b := old.Cluster != nil, next.Cluster != nil; a != b {
		note("store", a, b)
	}
	if next.Cluster == nil {
		return out
	}
	if old.Cluster == nil {
		return append(out, seen(next)...)
	}
	if a, b := old.Cluster.LeaderName(), next.Cluster.LeaderName(); a != b {
		note("leader", a, b)
	}
	if a, b := old.Cluster.Config.Version, next.Cluster.Config.Version; a != b {
		note("config", int64(a), int64(b))
	}
	if a, b := string(old.Cluster.Failover.Encode()), string(next.Cluster.Failover.Encode()); a != b {
		note("request", a, b)
	}
	return out
}

// seen tells the leader in the first view after a time without.
func seen(next *cluster.NodeStatus) []change {
	o := &cluster.Object{}
	o.Set("member", next.Name)
	o.Set("from", nil)
	o.Set("to", next.Cluster.LeaderName())
	return []change{{"leader", o}}
}
