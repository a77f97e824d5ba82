package rest

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/pgregent/pgregent/core/cluster"
)

// whatIfLimit bounds the question to the agent, who asks the other members.
const whatIfLimit = 5 * time.Second

// whatIf answers who would lead if the members named by down were down, by
// the rules that would decide it.
func (s *Server) whatIf(c *gin.Context) {
	down := c.QueryArray("down")
	view := s.status().Cluster
	switch {
	case len(down) == 0:
		text(c, http.StatusBadRequest, "down is required: the name of a member, as in /whatif?down=NAME")
		return
	case view == nil:
		text(c, http.StatusServiceUnavailable, "ZooKeeper is not available: who is there is not known")
		return
	}
	for _, name := range down {
		if !slices.ContainsFunc(view.Members, func(m cluster.Member) bool { return m.Name == name }) && name != view.LeaderName() {
			text(c, http.StatusBadRequest, "down: there is no member "+name)
			return
		}
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), whatIfLimit)
	defer cancel()
	out, err := s.backend.WhatIf(ctx, down)
	if err != nil {
		text(c, http.StatusServiceUnavailable, "the agent does not answer: "+err.Error())
		return
	}
	o := pairs("down", anyList(down), "leader", nil, "bytes_at_risk", int64(out.AtRisk))
	if out.Leader != "" {
		o.Set("leader", out.Leader)
	}
	blocked := &cluster.Object{}
	members := []any{}
	for _, f := range out.Fates {
		if !f.Leads {
			blocked.Set(f.Name, f.Reason)
		}
		members = append(members, pairs("name", f.Name, "leads", f.Leads, "rule", f.Rule, "reason", f.Reason))
	}
	o.Set("blocked", blocked)
	o.Set("members", members)
	document(c, http.StatusOK, o)
}

func anyList(words []string) []any {
	out := make([]any, len(words))
	for i, w := range words {
		out[i] = w
	}
	return out
}
