package haproxy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/pgregent/pgregent/plugins/sdk"
)

// settings of the plugin.
type settings struct {
	Sockets []string          `plugin:"sockets,required" help:"the runtime API of each HAProxy: a path of a socket of level admin, or host:port"`
	Backend string            `plugin:"backend,required" help:"the backend, or listen section, that leads to the primary"`
	Servers map[string]string `plugin:"servers" help:"the servers' names in HAProxy by the members' names, where they differ"`
	Timeout time.Duration     `plugin:"timeout" help:"how long one HAProxy may take"`
}

// names are what HAProxy allows; everything else could be a command.
var names = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)

// New makes the plugin.
func New() sdk.Plugin {
	s := &settings{Timeout: 2 * time.Second}
	r := &router{s: s}
	return sdk.Plugin{Name: "haproxy", Settings: s, Router: r, Health: r.health, Check: func() error {
		if !names.MatchString(s.Backend) {
			return errors.New("backend is not a name of HAProxy")
		}
		for _, n := range s.Servers {
			if !names.MatchString(n) {
				return errors.New("servers: a name is not a name of HAProxy")
			}
		}
		return nil
	}}
}

type router struct{ s *settings }

// each calls f for every HAProxy at once and joins the errors.
func (r *router) each(ctx context.Context, f func(context.Context, api) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.s.Timeout)
	defer cancel()
	errs := make(chan error, len(r.s.Sockets))
	for _, socket := range r.s.Sockets {
		go func() {
			if err := f(ctx, api{socket}); err != nil {
				errs <- fmt.Errorf("%s: %w", socket, err)
				return
			}
			errs <- nil
		}()
	}
	var all []error
	for range r.s.Sockets {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

func (r *router) health(ctx context.Context) error {
	return r.each(ctx, func(ctx context.Context, a api) error {
		_, err := a.servers(ctx, r.s.Backend)
		return err
	})
}

// server is a member's name in HAProxy.
func (r *router) server(member string) string {
	if n := r.s.Servers[member]; n != "" {
		return n
	}
	return member
}

// Update implements sdk.Router.
func (r *router) Update(ctx context.Context, route sdk.Route) error {
	primary := "" // none: all are marked down, which HAProxy's checks would see later
	if route.Primary != nil {
		primary = r.server(route.Primary.Name)
	}
	return r.each(ctx, func(ctx context.Context, a api) error {
		if newest, err := a.claim(ctx, r.s.Backend, route.Epoch); err != nil || !newest {
			return err
		}
		list, err := a.servers(ctx, r.s.Backend)
		if err != nil {
			return err
		}
		return a.run(ctx, commands(r.s.Backend, primary, list))
	})
}

// commands bring the primary up and the others down. What was drained before
// the switchover takes part again; what an operator has put into maintenance
// stays there. The primary comes first: clients that wait get it at once.
func commands(backend, primary string, list []server) []string {
	var out, down []string
	for _, s := range list {
		at := backend + "/" + s.name
		if s.drained && s.name != primary {
			down = append(down, "set server "+at+" state ready")
		}
		switch {
		case s.name == primary && s.drained:
			out = append(out, "set server "+at+" state ready", "set server "+at+" health up")
		case s.name == primary:
			out = append(out, "set server "+at+" health up")
		case s.up:
			down = append([]string{"set server " + at + " health down"}, down...)
			down = append(down, "shutdown sessions server "+at)
		}
	}
	return append(out, down...)
}

// Drain implements sdk.Router.
func (r *router) Drain(ctx context.Context, route sdk.Route) error {
	if route.Primary == nil {
		return nil
	}
	at := r.s.Backend + "/" + r.server(route.Primary.Name)
	if !names.MatchString(strings.ReplaceAll(at, "/", "")) {
		return errors.New("the member's name cannot be a name of HAProxy; set servers")
	}
	return r.each(ctx, func(ctx context.Context, a api) error {
		if newest, err := a.claim(ctx, r.s.Backend, route.Epoch); err != nil || !newest {
			return err
		}
		return a.run(ctx, []string{"set server " + at + " state drain"})
	})
}
