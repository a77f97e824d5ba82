package main

import (
	"context"
	"net"
	"os"
	"reflect"
	"strconv"

	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/plugins"
)

// reload reads the local configuration again; what is wrong leaves the old
// one in force. Keys that take a restart of the agent keep their values, and
// the log says so. PostgreSQL reads its files again even if nothing changed.
func (n *node) reload() {
	read, findings, err := config.Load(n.path, os.Environ())
	if err == nil {
		err = n.tell(findings)
	}
	if err != nil {
		n.log.Error("reload configuration; the old one stays in force", "err", err)
		return
	}
	n.reloading.Lock()
	defer n.reloading.Unlock()
	n.tellChanges(config.Changes(n.read, read))
	n.read = read
	local := read.WithFixed(n.local.Load())
	n.local.Store(local)
	n.level.Set(local.Log.Level)
	n.postgres.ReloadAnyway()
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	n.reloadREST(ctx, local)
	n.reloadWatchdog(local.Watchdog)
	pg, _ := local.Postgres(nil)
	conn, proxy := addresses(pg)
	if err := n.agent.Readdress(ctx, conn, proxy); err != nil {
		n.log.Error("reload configuration", "err", err)
		return
	}
	if err := n.agent.Reload(ctx, local.Tags); err != nil {
		n.log.Error("reload configuration", "err", err)
		return
	}
	n.reloadPlugins(read.Plugins)
	n.log.Info("configuration reloaded")
}

// reloadPlugins puts another plugins section in force, if all of it can be
// used. Builds that run go on as they were started.
func (n *node) reloadPlugins(next []config.Plugin) {
	local := *n.local.Load()
	if reflect.DeepEqual(local.Plugins, next) {
		return
	}
	local.Plugins = next
	standing, err := n.tryPlugins(&local)
	if err != nil {
		n.log.Error("reload plugins; the old ones stay in force", "err", err)
		return
	}
	n.local.Store(&local)
	n.host.SetStanding(standing)
	n.log.Info("plugins reloaded", "standing", len(standing))
}

// tryPlugins is checkPlugins with a checker of its own.
func (n *node) tryPlugins(local *config.Local) ([]plugins.Spec, error) {
	checker, err := plugins.NewChecker(plugins.Options{Cluster: local.Scope, Node: local.Name, Logger: n.log})
	if err != nil {
		return nil, err
	}
	defer checker.Close()
	return checkPlugins(local, checker.Check)
}

// tellChanges logs what changed and what it takes until it counts.
func (n *node) tellChanges(list []config.Changed) {
	for _, c := range list {
		switch c.Effect {
		case config.AtAgentRestart:
			n.log.Warn("configuration changed; the old value stays until the agent is restarted", "key", c.Key, "from", c.From, "to", c.To)
		case config.AtBootstrap, config.NoEffect, config.NotSupported:
			n.log.Info("configuration changed, without effect on this cluster", "key", c.Key, "from", c.From, "to", c.To)
		default:
			n.log.Info("configuration changed", "key", c.Key, "from", c.From, "to", c.To)
		}
	}
	if len(list) == 0 {
		n.log.Info("no local configuration items changed")
	}
}

// addresses are the URLs under which the member key names this server.
func addresses(pg config.Postgres) (conn, proxy string) {
	conn = "postgres://" + net.JoinHostPort(pg.ConnectHost, strconv.Itoa(pg.ConnectPort)) + "/" + pg.Database
	if pg.ProxyAddress != "" {
		proxy = "postgres://" + pg.ProxyAddress + "/" + pg.Database
	}
	return conn, proxy
}
