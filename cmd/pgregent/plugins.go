package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/plugins"
	"github.com/pgregent/pgregent/plugins/builtin"
	"github.com/pgregent/pgregent/plugins/proto"
	"github.com/pgregent/pgregent/plugins/sdk"
)

// pluginCommand makes this program one of the shipped plugins.
func pluginCommand() *cobra.Command {
	return &cobra.Command{
		Use: "plugin NAME", Short: "one of the shipped plugins; the agent starts it", Hidden: true,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := builtin.New(args[0], version)
			if err != nil {
				return usageError{err}
			}
			sdk.Serve(p)
			return nil
		},
	}
}

// self is this program, also after its file was replaced by an update.
const self = "/proc/self/exe"

// pluginSpec translates the configuration of a plugin.
func pluginSpec(p config.Plugin) (plugins.Spec, error) { return plugins.Configured(p, self, true) }

// findPlugin is the plugin of a name as configured now.
func (n *node) findPlugin(name string) (plugins.Spec, bool) {
	p, ok := n.local.Load().Plugin(name)
	if !ok {
		return plugins.Spec{}, false
	}
	s, err := pluginSpec(p)
	if err != nil {
		n.log.Error("configuration of a plugin", "err", err)
		return s, false
	}
	return s, true
}

// pluginCheckLimit bounds the check of all plugins at the start.
const pluginCheckLimit = 30 * time.Second

// checkPlugins starts each configured plugin once, which checks its program
// and its settings, and returns those that are to be told of events and
// routes.
func checkPlugins(local *config.Local, check func(context.Context, plugins.Spec) (plugins.Info, error)) ([]plugins.Spec, error) {
	ctx, cancel := context.WithTimeout(context.Background(), pluginCheckLimit)
	defer cancel()
	var standing []plugins.Spec
	var errs []error
	for _, p := range local.Plugins {
		s, err := pluginSpec(p)
		var info plugins.Info
		if err == nil {
			info, err = check(ctx, s)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, c := range info.Capabilities {
			if c == proto.Capability_CAPABILITY_CALLBACK || c == proto.Capability_CAPABILITY_ROUTER {
				standing = append(standing, s)
				break
			}
		}
	}
	return standing, errors.Join(errs...)
}

// newHost makes the host of the plugins and scripts.
func (n *node) newHost(local *config.Local) error {
	o := plugins.Options{
		Cluster: local.Scope, Node: local.Name, StateDir: local.StateDir, Find: n.findPlugin, Logger: n.log,
		Callbacks: func() map[string]string {
			if st := n.agent.Status(); st != nil {
				pg, _ := n.local.Load().Postgres(st.Dynamic)
				return pg.Site.Callbacks
			}
			return nil
		},
		PrimaryWord: func() string { return n.local.Load().PrimaryWord() },
		Tracer:      n.record.tracing.Provider(),
	}
	checker, err := plugins.NewChecker(o)
	if err != nil {
		return err
	}
	defer checker.Close()
	if o.Standing, err = checkPlugins(local, checker.Check); err != nil {
		return err
	}
	n.host, err = plugins.NewHost(o)
	return err
}

// validatePlugins is checkPlugins for --validate-config.
func validatePlugins(local *config.Local) error {
	checker, err := plugins.NewChecker(plugins.Options{Cluster: local.Scope, Node: local.Name})
	if err != nil {
		return err
	}
	defer checker.Close()
	_, err = checkPlugins(local, checker.Check)
	return err
}
