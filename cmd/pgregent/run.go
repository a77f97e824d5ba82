package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pgregent/pgregent/cmd/ensemble"
	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/core/postgres"
	"github.com/pgregent/pgregent/core/record"
	"github.com/pgregent/pgregent/observability"
	"github.com/pgregent/pgregent/plugins"
	"github.com/pgregent/pgregent/rest"
	"github.com/pgregent/pgregent/zkdcs"
)

// closeLimit bounds saying goodbye to ZooKeeper; after it the session ends by
// its own timeout.
const closeLimit = 3 * time.Second

// node is one running agent with its edges.
type node struct {
	path  string
	local atomic.Pointer[config.Local]
	log   *slog.Logger
	file  *observability.LogFile // nil: the log goes to standard error
	level *slog.LevelVar         // of log
	// reloading guards read, the local configuration as it was last read;
	// local has the values of the start for keys that cannot change.
	reloading sync.Mutex
	read      *config.Local
	dir       *stateDir

	fence    *fenceProcess // nil if there is to be none
	store    *zkdcs.Store
	postgres *postgres.Server
	host     *plugins.Host
	agent    *agent.Agent
	running  atomic.Pointer[agent.Agent] // agent, for the log
	rest     *rest.Server
	record   *recording
	phases   *observability.Phases
	manager  *serviceManager
	watchdog watchdogDevice
	peers    peers
	ops      operations
}

// run is the agent's life. It returns nil after an orderly stop.
func run(ctx context.Context, path string) error {
	n, err := newNode(path)
	if err != nil {
		return err
	}
	defer n.dir.close()
	if err := n.rest.Listen(); err != nil {
		return err
	}
	return n.live(ctx)
}

func newNode(path string) (*node, error) {
	local, findings, err := config.Load(path, os.Environ())
	if err != nil {
		return nil, err
	}
	n := &node{path: path, manager: newServiceManager(), level: &slog.LevelVar{}}
	n.level.Set(local.Log.Level)
	if err := n.openLog(local.Log); err != nil {
		return nil, err
	}
	n.local.Store(local)
	n.read = local
	if err := n.tell(findings, local.Validate()); err != nil {
		return nil, err
	}
	if n.dir, err = openStateDir(local); err != nil {
		return nil, err
	}
	if err := n.wire(local); err != nil {
		n.dir.close()
		return nil, err
	}
	return n, nil
}

// tell logs warnings and returns the errors as one.
func (n *node) tell(groups ...[]config.Finding) error {
	var errs []error
	for _, findings := range groups {
		for _, f := range findings {
			if f.Severity == config.Error {
				errs = append(errs, errors.New(f.String()))
				continue
			}
			n.log.Warn("configuration", "finding", f.String())
		}
	}
	return errors.Join(errs...)
}

func (n *node) wire(local *config.Local) error {
	cached := n.dir.loadDynamic()
	first := cached
	if first == nil && local.Bootstrap != nil {
		first = local.Bootstrap.DCS
	}
	settings, _ := local.Settings(first)
	pg, warnings := local.Postgres(first)
	for _, w := range warnings {
		n.log.Warn("configuration", "finding", w)
	}
	n.phases = observability.NewPhases(local.Scope, local.Name)
	n.record = n.newRecording(local)
	if err := n.newHost(local); err != nil {
		n.record.close()
		return err
	}
	n.postgres = postgres.New(postgres.Options{
		Config: pg, Bootstrap: local.Bootstrap, Site: n.host, Logger: n.log,
		Effective: func(dynamic *cluster.Object) (config.Postgres, []string) { return n.local.Load().Postgres(dynamic) },
	})
	id := newInstanceID()
	servers, err := ensemble.Access(local.ZooKeeper, n.log)
	if err != nil {
		return err
	}
	n.store, err = zkdcs.New(zkdcs.Options{
		Access: servers, Chroot: local.ZooKeeper.Chroot, ACL: local.ZooKeeper.ACL,
		Namespace: local.Namespace, Scope: local.Scope, Name: local.Name, InstanceID: id,
		SessionTimeout: settings.TTL, RetryTimeout: settings.RetryTimeout, TickTime: local.ZooKeeper.TickTime,
		Resume: n.dir.loadSession(), SaveSession: n.saveSession, Logger: n.log,
	})
	if err != nil {
		return fmt.Errorf("set up ZooKeeper: %w", err)
	}
	if local.Fence.Mode != config.FenceOff {
		n.fence = newFence(n.path, local, func() { n.agent.Wake() })
	}
	n.ops.tracing, n.ops.current = n.record.tracing, func() (record.ID, record.SpanID, bool) { return n.agent.Operation() }
	n.peers.ops = &n.ops
	options := n.agentOptions(local, pg, cached, id)
	call, err := newClient(local, n.log)
	if err != nil {
		return err
	}
	n.peers.client.Store(call)
	options.Peers = &n.peers
	n.agent = agent.New(options)
	n.running.Store(n.agent)
	n.useWatchdog(local.Watchdog)
	n.rest = rest.New(rest.Options{
		Settings: restSettings(local, n.log),
		Backend:  &backend{Agent: n.agent, reload: n.reload}, Logger: n.log,
		Metrics: observability.Metrics(n.snapshot, n.phases, rest.Collector(n.agent.Status)),
		Records: n.record.records(n.peers.client.Load), Observe: n.phases.REST,
		Explain: n.explain, Tracer: n.record.tracing.ProviderOrNil(),
	})
	return nil
}

func (n *node) agentOptions(local *config.Local, pg config.Postgres, cached *cluster.Object, id string) agent.Options {
	o := agent.Options{
		Name: local.Name, Scope: local.Scope, InstanceID: id, Tags: local.Tags,
		APIURL:      apiURL(local),
		Settings:    func(o *cluster.Object) (cluster.Settings, []string) { return n.local.Load().Settings(o) },
		Interrupted: n.dir.bootstrapping(), Bootstrapping: n.dir.setBootstrapping,
		CachedConfig: cached, SaveConfig: n.saveDynamic,
		Store: timedStore{n.store, n.phases, &n.ops}, Postgres: timedPostgres{n.postgres, n.phases, &n.ops}, Pinger: n.postgres.NewPinger(), Logger: n.log,
		Turned: n.manager.turned,
	}
	o.Recorder, o.Former, o.Evidence = n.record, n.record.former, func() agent.Evidence { return agent.Evidence{Full: postgres.FullDirectory(pg.DataDir)} }
	settings, _ := local.Settings(cached)
	n.watchdog = newWatchdog(local.Watchdog, n.log)
	o.Watchdog = n.watchdog
	o.Promised, o.SavePromise = n.dir.loadPromise(lease.Now(), settings.TTL), n.dir.savePromise
	o.CachedMembers, o.SaveMembers = n.dir.loadMembers(), n.saveMembers
	o.Site, o.PrePromote, o.Reloads = n.host, n.postgres.PrePromote, n.postgres.Reloads
	o.Build, o.WithoutLeader = n.postgres.Build, n.postgres.WithoutLeader
	if n.fence != nil {
		o.Fence, o.FenceRequired = n.fence, local.Fence.Mode == config.FenceRequired
	}
	o.ConnURL, o.ProxyURL = addresses(pg)
	if local.Bootstrap != nil {
		o.BootstrapConfig = local.Bootstrap.DCS
		if o.BootstrapConfig == nil {
			o.BootstrapConfig = &cluster.Object{}
		}
	}
	return o
}

// live runs everything until ctx ends or the agent cannot go on. The store
// outlives the agent, which needs it to release the lock.
func (n *node) live(ctx context.Context) error {
	edges, stopEdges := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	group.Go(func() {
		if err := n.rest.Serve(edges); err != nil {
			n.log.Error("REST API", "err", err)
		}
	})
	group.Go(func() {
		if err := n.store.Run(edges); err != nil && !errors.Is(err, context.Canceled) {
			n.log.Error("ZooKeeper", "err", err)
		}
	})
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	group.Go(func() { n.reloadOnSignal(edges, hup) })
	leave := make(chan os.Signal, 1)
	signal.Notify(leave, leaveSignal)
	group.Go(func() { n.leaveOnSignal(edges, leave) })
	group.Go(func() { n.manager.run(edges, ctx.Done(), n.agent.Status) })
	local := n.local.Load()
	n.log.Info("pgregent", "version", version, "member", local.Name, "scope", local.Scope, "rest", n.rest.Addr().String(), "zookeeper", local.ZooKeeper.Hosts)

	err := n.agent.Run(ctx)
	paused := n.agent.Status().Settings.Pause
	stays := errors.Is(err, agent.ErrTwin) || errors.Is(err, agent.ErrLeft) || (err == nil && paused)
	if !stays { // else the session is for the next start, or another's
		closing, cancel := context.WithTimeout(edges, closeLimit)
		if closeErr := n.store.Close(closing); closeErr != nil {
			n.log.Warn("close ZooKeeper session", "err", closeErr)
		}
		cancel()
		n.dir.dropSession()
	}
	stopEdges()
	signal.Stop(hup)
	signal.Stop(leave)
	n.host.Close()
	n.postgres.Close()
	group.Wait()
	if err == nil && !paused {
		n.record.Leading(0) // this end was in order
	}
	n.record.close()
	n.log.Info("stopped")
	n.closeLog()
	return err
}

func (n *node) reloadOnSignal(ctx context.Context, hup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			n.reload()
		}
	}
}

// saveSession keeps a session for the next start; the zero session means that
// there is none any more.
func (n *node) saveSession(s zkdcs.Session) {
	if s.ID == 0 {
		n.dir.dropSession()
		return
	}
	if err := n.dir.saveSession(s); err != nil {
		n.log.Warn("save ZooKeeper session; a restarted agent cannot take it over", "err", err)
	}
}

func (n *node) saveDynamic(o *cluster.Object) {
	if err := n.dir.saveDynamic(o); err != nil {
		n.log.Warn("save dynamic configuration", "err", err)
	}
}

func newInstanceID() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
