package sim

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
)

var _ agent.Peers = (*peers)(nil)

// peers asks the other agents over the model of the network.
type peers struct{ p *process }

const peerLimit = time.Second

var errNoAnswer = errors.New("no answer within 1s")

// visit runs f on the agent at that address, as a REST request
// from p. f runs in the other process; nothing of it is used after an error.
func (o *peers) visit(ctx context.Context, host string, f func(context.Context, *agent.Agent)) error {
	w, from := o.p.n.w, o.p.n.host
	ctx, cancel := context.WithTimeout(ctx, peerLimit)
	defer cancel()
	var there, back time.Duration
	var target *process
	refused, silent := false, false
	w.locked(func() {
		there, back = o.p.n.dice.between(300*time.Microsecond, 4*time.Millisecond), o.p.n.dice.between(300*time.Microsecond, 4*time.Millisecond)
		n := w.at(host)
		silent = n == nil || !w.net.both(toREST, from, host) || !n.on
		if !silent {
			if target = n.proc; target == nil || target.agent == nil {
				refused = true
			}
		}
	})
	if silent {
		rest(ctx, peerLimit)
		return errNoAnswer
	}
	if !rest(ctx, there) {
		return errNoAnswer
	}
	if refused {
		return errors.New("connection refused")
	}
	done := make(chan bool, 1)
	go func() {
		running := false
		w.locked(func() { running = target.frozen == nil && !target.dead })
		if running {
			f(ctx, target.agent)
		}
		select {
		case done <- running && target.gate():
		case <-ctx.Done():
		}
	}()
	select {
	case ok := <-done:
		if !ok {
			rest(ctx, peerLimit)
			return errNoAnswer
		}
	case <-ctx.Done():
		return errNoAnswer
	}
	through := false
	w.locked(func() { through = w.net.both(toREST, from, host) })
	if !through {
		rest(ctx, peerLimit)
		return errNoAnswer
	}
	rest(ctx, back)
	return nil
}

// each visits all of them at once.
func each(names []string, f func(i int, name string)) {
	done := make(chan struct{}, len(names))
	for i, name := range names {
		go func() {
			f(i, name)
			done <- struct{}{}
		}()
	}
	for range names {
		<-done
	}
}

// Ask requests every member's status in parallel.
func (o *peers) Ask(ctx context.Context, members []cluster.Member) []agent.PeerAnswer {
	if !o.p.gate() {
		return nil
	}
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.Name
	}
	answers := make([]agent.PeerAnswer, len(members))
	each(names, func(i int, name string) {
		var a agent.PeerAnswer
		got := make(chan agent.PeerAnswer, 1)
		err := o.visit(ctx, hostOf(members[i].Data.APIURL), func(ctx context.Context, to *agent.Agent) {
			st := to.Fresh(ctx)
			o.p.n.w.locked(func() { o.p.answered[name] = o.p.n.w.now() })
			got <- answerOf(st)
		})
		if err == nil {
			a = <-got
		} else {
			a.Err = err.Error()
		}
		a.Name = name
		answers[i] = a
	})
	o.p.gate()
	return answers
}

// answerOf is what a client reads out of the status document.
func answerOf(st *cluster.NodeStatus) agent.PeerAnswer {
	i := &st.Instance
	if !i.Ready {
		return agent.PeerAnswer{Err: "it shows no WAL position"}
	}
	return agent.PeerAnswer{
		Reachable: true, Primary: !i.Standby, Position: i.Position(), Timeline: i.Timeline,
		NoFailover: st.Tags.NoFailover(), FailoverPriority: st.Tags.FailoverPriority(), WatchdogFailed: st.WatchdogFailed,
		Lagging: decide.LagsBehind(st.Rule),
	}
}

// Alive reports whether an agent answers there.
func (o *peers) Alive(ctx context.Context, apiURL string) (bool, string) {
	if !o.p.gate() {
		return false, ""
	}
	got := make(chan string, 1)
	err := o.visit(ctx, hostOf(apiURL), func(_ context.Context, to *agent.Agent) { got <- to.Status().InstanceID })
	if err != nil {
		return false, ""
	}
	return true, <-got
}

// Failsafe asks the members not to race.
func (o *peers) Failsafe(ctx context.Context, members map[string]string, call agent.FailsafeCall) []agent.FailsafeAnswer {
	if !o.p.gate() {
		return nil
	}
	names := slices.Sorted(maps.Keys(members))
	answers := make([]agent.FailsafeAnswer, len(names))
	each(names, func(i int, name string) {
		var a agent.FailsafeAnswer
		got := make(chan agent.FailsafeAnswer, 1)
		err := o.visit(ctx, hostOf(members[name]), func(ctx context.Context, to *agent.Agent) {
			grant, err := to.Failsafe(ctx, call)
			b := agent.FailsafeAnswer{Accepted: err == nil, For: grant.For}
			if err != nil {
				b.Err = err.Error()
			}
			got <- b
		})
		if err == nil {
			a = <-got
		} else {
			a.Err = err.Error()
		}
		a.Name = name
		answers[i] = a
	})
	o.p.gate()
	return answers
}

// hostOf is the host of http://host:8008/patroni.
func hostOf(apiURL string) string {
	host, _, _ := strings.Cut(strings.TrimPrefix(apiURL, "http://"), ":")
	return host
}
