package agent

import (
	"context"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
)

// WhatIf says who would lead if the named members were down, with the other
// members asked for their positions now. The loop is not held up by that.
func (a *Agent) WhatIf(ctx context.Context, down []string) (decide.Outcome, error) {
	views := make(chan *decide.View, 1)
	if err := a.do(ctx, func(*state) { views <- a.view() }); err != nil {
		return decide.Outcome{}, err
	}
	var v *decide.View
	select {
	case v = <-views:
	case <-ctx.Done():
		return decide.Outcome{}, ctx.Err()
	}
	if v.Cluster != nil {
		var others []cluster.Member
		for _, m := range v.Cluster.Members {
			if m.Name != a.o.Name && m.Data.APIURL != "" {
				others = append(others, m)
			}
		}
		v.Peers = a.o.Peers.Ask(ctx, others)
	}
	return decide.WhatIf(*v, down...), nil
}

// NextStatus returns the first published status that is not last, or ctx's
// error.
func (a *Agent) NextStatus(ctx context.Context, last *cluster.NodeStatus) (*cluster.NodeStatus, error) {
	for {
		next := a.views.next()
		if st := a.status.Load(); st != last {
			return st, nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
