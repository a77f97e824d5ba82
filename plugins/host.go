package plugins

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/plugins/proto"
	"github.com/pgregent/pgregent/plugins/script"
)

// Options are what a Host needs.
type Options struct {
	Cluster, Node string
	// StateDir keeps the records of what runs; a restarted agent ends what the
	// last one has left behind.
	StateDir string
	// Find returns the plugin of a name, as configured now; false if there is
	// none.
	Find func(name string) (Spec, bool)
	// Standing are the plugins that are told of events and routes.
	Standing []Spec
	// Callbacks returns the command lines of callbacks by action, as
	// configured now.
	Callbacks func() map[string]string
	// PrimaryWord is what callbacks get as the role of a primary.
	PrimaryWord func() string
	Logger      *slog.Logger
	// TraceParent is the W3C trace context of what goes on, "" if nothing
	// does; Called is told of each call of a plugin that had one. Both may be
	// nil.
	TraceParent func() string
	Called      func(plugin, call, traceParent string, began time.Time, err error)
}

func (o Options) traceParent() string {
	if o.TraceParent == nil {
		return ""
	}
	return o.TraceParent()
}

func (o Options) called(plugin, call, traceParent string, began time.Time, err error) {
	if o.Called != nil && traceParent != "" {
		o.Called(plugin, call, traceParent, began, err)
	}
}

// Host runs plugins and scripts. Its methods may be called at any time.
type Host struct {
	o        Options
	log      *slog.Logger
	launcher *launcher
	records  records
	dir      string
	scripts  *scripts
	standing []*standing
	sequence atomic.Int64
	counts   counts
	running  sync.WaitGroup
	ctx      context.Context
	stop     context.CancelFunc
}

// counts are what is counted for metrics.
type counts struct{ builds, buildFailures, restarts, callbacks, callbackFailures, routes, routeFailures atomic.Int64 }

// Counts are what a Host has done since its start.
type Counts struct{ Builds, BuildFailures, Restarts, Callbacks, CallbackFailures, Routes, RouteFailures int64 }

// Counts reads the counters.
func (h *Host) Counts() Counts {
	c := &h.counts
	return Counts{
		c.builds.Load(), c.buildFailures.Load(), c.restarts.Load(), c.callbacks.Load(), c.callbackFailures.Load(),
		c.routes.Load(), c.routeFailures.Load(),
	}
}

// NewHost ends what the last agent has left behind, and starts the plugins
// that are told of events and routes. Close ends them.
func NewHost(o Options) (*Host, error) {
	h := &Host{o: o, log: o.Logger, records: records{dir: filepath.Join(o.StateDir, "plugins"), log: o.Logger}}
	if err := os.MkdirAll(h.records.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory for plugins: %w", err)
	}
	if err := h.records.endLeftovers(); err != nil {
		return nil, err
	}
	if err := h.prepare(); err != nil {
		return nil, err
	}
	for _, s := range o.Standing {
		h.standing = append(h.standing, h.newStanding(s))
	}
	return h, nil
}

// NewChecker makes a Host that only checks plugins.
func NewChecker(o Options) (*Host, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Host{o: o, log: o.Logger}
	return h, h.prepare()
}

// prepare makes the private directory and what needs it.
func (h *Host) prepare() error {
	// The path of a socket has 108 bytes at most, which state_dir may exceed.
	dir, err := os.MkdirTemp("", "pgregent-")
	if err != nil {
		return fmt.Errorf("make directory for sockets: %w", err)
	}
	h.dir = dir
	h.launcher = &launcher{log: h.log, dir: dir, cluster: h.o.Cluster, node: h.o.Node}
	if h.records.dir != "" {
		h.launcher.note = h.records.note
	}
	h.ctx, h.stop = context.WithCancel(context.Background())
	h.scripts = newScripts(h)
	return nil
}

// closeWait is how long Close lets the last events be dealt with.
const closeWait = 2 * time.Second

// Close ends all plugins. Callbacks that run go on: the agent does not wait for
// them.
func (h *Host) Close() {
	h.scripts.drain(closeWait)
	for _, s := range h.standing {
		s.drain(closeWait)
	}
	h.stop()
	h.running.Wait()
	if err := os.RemoveAll(h.dir); err != nil {
		h.log.Warn("remove directory for sockets", "err", err)
	}
}

// Run runs a command line of the configuration to its end.
func (h *Host) Run(ctx context.Context, c cluster.Command) error {
	h.log.Info("running a command of the configuration", "what", c.What)
	began := time.Now()
	err := script.Run(ctx, script.Command{
		Line: c.Line, Args: c.Args, Env: c.Env, DataDir: c.DataDir, Grace: script.Grace,
		Started: func(pgid int) { h.records.note(c.What, pgid, true) },
		Ended:   func(pgid int) { h.records.note(c.What, pgid, false) },
	})
	if err != nil {
		return fmt.Errorf("%s: %w", c.What, err)
	}
	h.log.Info("command done", "what", c.What, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// spec is the plugin of a method.
func (h *Host) spec(name string) (Spec, error) {
	s, ok := h.o.Find(name)
	if !ok {
		return Spec{}, fmt.Errorf("there is no plugin %s, and the method has no command", name)
	}
	return s, nil
}

// Plan asks the plugin of a method what it would do.
func (h *Host) Plan(ctx context.Context, b cluster.BuildSpec) (cluster.BuildPlan, error) {
	s, err := h.spec(b.Method)
	if err != nil {
		return cluster.BuildPlan{}, err
	}
	p, err := h.launcher.launch(ctx, s)
	if err != nil {
		return cluster.BuildPlan{}, err
	}
	defer p.kill()
	plan, err := p.plan(ctx, kindOf(b), h.request(b, "plan"))
	if err != nil {
		return cluster.BuildPlan{}, err
	}
	return cluster.BuildPlan{KeepData: plan.KeepData, NoSource: plan.NoSource, Total: plan.BytesTotal, Message: plan.Message}, nil
}

// Build has the plugin of a method make a data directory.
func (h *Host) Build(ctx context.Context, b cluster.BuildSpec, report func(cluster.Build)) error {
	s, err := h.spec(b.Method)
	if err != nil {
		return err
	}
	h.counts.builds.Add(1)
	p, err := h.launcher.launch(ctx, s)
	if err != nil {
		h.counts.buildFailures.Add(1)
		return err
	}
	defer p.kill() // with everything that it started
	h.log.Info("build started", "plugin", s.Name, "version", p.info.Version, "pid", p.runner.ID())
	id := strconv.FormatInt(h.sequence.Add(1), 10)
	phase := ""
	request, began := h.request(b, id), time.Now()
	took, err := p.build(ctx, kindOf(b), request, func(m *proto.Progress) {
		if m.Phase != phase {
			phase = m.Phase
			h.log.Info("build", "plugin", s.Name, "phase", m.Phase, "message", m.Message, "bytes", m.BytesDone, "of", m.BytesTotal)
		}
		report(cluster.Build{Phase: m.Phase, Message: m.Message, Done: m.BytesDone, Total: m.BytesTotal})
	})
	h.o.called(s.Name, "build", request.Traceparent, began, err)
	if err != nil {
		h.counts.buildFailures.Add(1)
		return err
	}
	h.log.Info("build done", "plugin", s.Name, "took", took.Round(time.Millisecond))
	return nil
}

func kindOf(b cluster.BuildSpec) buildKind {
	if b.Bootstrap {
		return bootstrapKind
	}
	return replicaKind
}

func (h *Host) request(b cluster.BuildSpec, id string) *proto.BuildRequest {
	r := &proto.BuildRequest{
		Id: id, Cluster: h.o.Cluster, Node: h.o.Node, Method: b.Method, DataDir: b.DataDir, BinDir: b.BinDir, Traceparent: h.o.traceParent(),
		Programs: b.Programs, Role: "replica", Attempt: int32(b.Attempt),
	}
	if b.Bootstrap {
		r.Role = "primary"
	}
	if b.Conninfo != "" {
		r.Source = &proto.Source{Name: b.Source, Conninfo: b.Conninfo, Passfile: b.PassFile}
	}
	for _, o := range b.Options {
		r.Options = append(r.Options, &proto.Option{Key: o.Key, Value: o.Value, Bare: o.Bare})
	}
	return r
}

// Check starts a plugin, hands its settings over and ends it: what is wrong
// with its program or its configuration is the error.
func (h *Host) Check(ctx context.Context, s Spec) (Info, error) {
	p, err := h.launcher.launch(ctx, s)
	if err != nil {
		return Info{}, err
	}
	defer p.kill()
	if len(p.info.Capabilities) == 0 {
		return p.info, errors.New("plugin " + s.Name + ": it serves nothing but its own description")
	}
	return p.info, nil
}
