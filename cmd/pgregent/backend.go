package main

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/rest"
	"github.com/pgregent/pgregent/rest/client"
)

// backend shows an agent to the REST API.
type backend struct {
	*agent.Agent
	reload func()
}

// Reload reads the local configuration again, beside the request.
func (b *backend) Reload() { go b.reload() }

// Restart translates the agent's reasons.
func (b *backend) Restart(ctx context.Context, r rest.RestartRequest) error {
	return translate(b.Agent.Restart(ctx, r.Timeout))
}

// ScheduleRestart keeps a restart for its time.
func (b *backend) ScheduleRestart(ctx context.Context, r rest.RestartRequest) error {
	err := b.Agent.ScheduleRestart(ctx, decide.ScheduledRestart{
		At: r.At, Role: r.Role, PostgresVersion: r.PostgresVersion, Pending: r.Pending,
	}, r.Timeout, r.Shown)
	if errors.Is(err, agent.ErrScheduled) {
		return rest.ErrScheduled
	}
	return err
}

// Reinitialize starts to make a fresh copy.
func (b *backend) Reinitialize(ctx context.Context, force, fromLeader bool) error {
	return translate(b.Agent.Reinitialize(ctx, force, fromLeader))
}

// Peers asks the members and keeps what the API needs to know.
func (b *backend) Peers(ctx context.Context, members []cluster.Member) []rest.Candidate {
	answers := b.Agent.Peers(ctx, members)
	out := make([]rest.Candidate, len(answers))
	for i, p := range answers {
		out[i] = rest.Candidate{Name: p.Name, Reachable: p.Reachable, NoFailover: p.NoFailover, WatchdogFailed: p.WatchdogFailed}
	}
	return out
}

// Failsafe promises a leader that lost the store not to race.
func (b *backend) Failsafe(ctx context.Context, r rest.FailsafeRequest) (rest.FailsafeGrant, error) {
	grant, err := b.Agent.Failsafe(ctx, agent.FailsafeCall{Name: r.Name, ConnURL: r.ConnURL, APIURL: r.APIURL, Slots: r.Slots})
	switch {
	case errors.Is(err, agent.ErrFailsafeOff):
		err = rest.ErrFailsafeOff
	case errors.Is(err, agent.ErrLeading):
		err = rest.ErrLeading
	}
	return rest.FailsafeGrant{For: grant.For, LSN: grant.LSN}, err
}

func translate(err error) error {
	switch {
	case errors.Is(err, agent.ErrBusy):
		action, _ := strings.CutSuffix(err.Error(), " "+agent.ErrBusy.Error())
		return &rest.BusyError{Action: action}
	case errors.Is(err, agent.ErrStillStarting):
		return rest.ErrStillStarting
	}
	return err
}

// peers asks other members over their REST API.
type peers struct {
	client atomic.Pointer[client.Client]
	ops    *operations
}

// Ask returns one answer for each member.
func (p *peers) Ask(ctx context.Context, members []cluster.Member) []agent.PeerAnswer {
	ctx, done := p.ops.calling(ctx, "peers", "ask")
	answers := p.client.Load().Ask(ctx, members)
	done(nil)
	out := make([]agent.PeerAnswer, len(answers))
	for i, s := range answers {
		out[i] = agent.PeerAnswer{
			Name: s.Name, Reachable: s.Reachable, Err: s.Err, Primary: s.Primary, Position: s.Position,
			Timeline: s.Timeline, NoFailover: s.NoFailover, FailoverPriority: s.FailoverPriority, WatchdogFailed: s.WatchdogFailed,
			Lagging: decide.LagsBehind(s.Rule),
		}
	}
	return out
}

// Alive reports whether anything answers at that API URL.
func (p *peers) Alive(ctx context.Context, apiURL string) (bool, string) {
	return p.client.Load().Alive(ctx, apiURL)
}

// Failsafe asks the members not to race.
func (p *peers) Failsafe(ctx context.Context, members map[string]string, call agent.FailsafeCall) []agent.FailsafeAnswer {
	ctx, done := p.ops.calling(ctx, "peers", "failsafe")
	defer done(nil)
	answers := p.client.Load().AskFailsafe(ctx, members, client.FailsafeCall{Name: call.Name, ConnURL: call.ConnURL, APIURL: call.APIURL, Slots: call.Slots})
	out := make([]agent.FailsafeAnswer, len(answers))
	for i, a := range answers {
		out[i] = agent.FailsafeAnswer{Name: a.Name, Accepted: a.Accepted, Err: a.Err, For: a.For}
	}
	return out
}
