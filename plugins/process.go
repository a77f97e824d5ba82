package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	gorunner "github.com/hashicorp/go-plugin/runner"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/pgregent/pgregent/plugins/proto"
)

// process is a running plugin, configured and ready.
type process struct {
	spec   Spec
	info   Info
	conn   *grpc.ClientConn
	client *plugin.Client
	runner *runner
	output *io.PipeWriter
}

// launcher starts plugins.
type launcher struct {
	log *slog.Logger
	// dir is a private directory for sockets.
	dir           string
	cluster, node string
	// note keeps records of process groups; may be nil.
	note func(plugin string, pgid int, alive bool)
	// tracer makes spans of calls; nil: there are none.
	tracer trace.TracerProvider
}

// launch starts a plugin and configures it. The process that could not be
// used is gone when it returns, or, if ctx ended, soon after.
func (l *launcher) launch(ctx context.Context, s Spec) (*process, error) {
	p, err := l.connect(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("plugin %s: %w", s.Name, err)
	}
	if err := p.configure(ctx, l.cluster, l.node); err != nil {
		p.kill()
		return nil, fmt.Errorf("plugin %s: %w", s.Name, err)
	}
	l.log.Debug("plugin started", "plugin", s.Name, "version", p.info.Version, "protocol", p.info.Protocol, "pid", p.runner.ID())
	return p, nil
}

// connect starts the process and shakes hands. go-plugin's Start cannot be
// cancelled, so it runs beside, with its own time limit.
func (l *launcher) connect(ctx context.Context, s Spec) (*process, error) {
	if !s.Trusted {
		if err := checkProgram(s.Command[0], s.SHA256); err != nil {
			return nil, err
		}
	}
	p := &process{spec: s, output: l.lines(s)}
	p.client = plugin.NewClient(l.config(s, p))
	type result struct {
		conn *grpc.ClientConn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		conn, err := dial(p.client)
		done <- result{conn, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			p.kill()
			return nil, p.explain(r.err)
		}
		p.conn = r.conn
		return p, nil
	case <-ctx.Done():
		go func() {
			<-done
			p.kill()
		}()
		return nil, context.Cause(ctx)
	}
}

func (l *launcher) config(s Spec, p *process) *plugin.ClientConfig {
	log := l.log.With("plugin", s.Name)
	return &plugin.ClientConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: proto.CookieKey, MagicCookieValue: proto.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{proto.Version: {proto.ServiceName: &connection{}}},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (gorunner.Runner, error) {
			var note func(int, bool)
			if l.note != nil {
				note = func(pgid int, alive bool) { l.note(s.Name, pgid, alive) }
			}
			p.runner = newRunner(s, append(environment(s.Environment, os.Environ()), cmd.Env...), note)
			return p.runner, nil
		},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, // the default is net/rpc
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     s.startTimeout(),
		SyncStdout:       p.output,
		SyncStderr:       p.output,
		GRPCDialOptions:  []grpc.DialOption{grpc.WithStatsHandler(calls(l.tracer))},
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: l.dir},
		Logger:           hclogger{log: log, name: s.Name},
	}
}

// connection makes a client of a plugin: the connection itself.
type connection struct{ plugin.NetRPCUnsupportedPlugin }

// GRPCServer implements plugin.GRPCPlugin.
func (*connection) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("this is the host")
}

// GRPCClient implements plugin.GRPCPlugin.
func (*connection) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return c, nil
}

func dial(c *plugin.Client) (*grpc.ClientConn, error) {
	client, err := c.Client()
	if err != nil {
		return nil, err
	}
	raw, err := client.Dispense(proto.ServiceName)
	if err != nil {
		return nil, err
	}
	conn, ok := raw.(*grpc.ClientConn)
	if !ok {
		return nil, fmt.Errorf("dispensed %T", raw)
	}
	return conn, nil
}

// explain makes one line of go-plugin's errors, with what the plugin wrote.
func (p *process) explain(err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if p.runner != nil {
		if said := p.runner.stderr.said(); said != "" && !strings.Contains(text, said) {
			text += "; it wrote: " + said
		}
	}
	return errors.New(text)
}

// passedOn are the variables that every plugin gets.
var passedOn = []string{"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ"}

// environment is what a plugin sees: a short list, and what its configuration
// names.
func environment(names, environ []string) []string {
	var out []string
	for _, n := range append(slices.Clone(passedOn), names...) {
		if strings.Contains(n, "=") {
			out = append(out, n)
			continue
		}
		for _, kv := range environ {
			if strings.HasPrefix(kv, n+"=") {
				out = append(out, kv)
			}
		}
	}
	return out
}

// configure asks what the plugin is and hands its settings over.
func (p *process) configure(ctx context.Context, cluster, node string) error {
	ctx, cancel := context.WithTimeout(ctx, p.spec.callTimeout())
	defer cancel()
	base := proto.NewBaseClient(p.conn)
	info, err := base.Info(ctx, &proto.InfoRequest{})
	if err != nil {
		return fmt.Errorf("ask for info: %w", plain(err))
	}
	p.info = Info{
		Name: info.Name, Version: info.Version, Protocol: p.client.NegotiatedVersion(),
		Capabilities: info.Capabilities, Settings: info.Settings,
	}
	settings := p.spec.Settings
	if len(settings) == 0 {
		settings = []byte("{}")
	}
	if !json.Valid(settings) {
		return errors.New("configure: the settings are not JSON")
	}
	answer, err := base.Configure(ctx, &proto.ConfigureRequest{Cluster: cluster, Node: node, Settings: settings})
	if err != nil {
		return fmt.Errorf("configure: %w", plain(err))
	}
	return findingsError(p.spec.Name, answer.Findings)
}

// findingsError is nil if none of the findings is an error.
func findingsError(name string, findings []*proto.Finding) error {
	var errs []error
	for _, f := range findings {
		if !f.Warning {
			key := "plugins." + name + ".settings"
			if f.Key != "" {
				key += "." + f.Key
			}
			errs = append(errs, errors.New(key+": "+f.Message))
		}
	}
	return errors.Join(errs...)
}

// can reports that the plugin serves something.
func (p *process) can(c proto.Capability) bool { return slices.Contains(p.info.Capabilities, c) }

// exited reports that the process has gone by itself.
func (p *process) exited() bool {
	select {
	case <-p.runner.waited:
		return true
	default:
		return false
	}
}

// kill ends the plugin with everything that it started. The process group goes
// first: go-plugin's own way asks and waits for seconds, and leaves children.
func (p *process) kill() {
	if p.runner != nil && p.runner.cmd.Process != nil {
		_ = p.runner.Kill(context.Background())
	}
	p.client.Kill()
	_ = p.output.Close() // never fails
}

// plain is the message of a gRPC status, without the code's name.
func plain(err error) error {
	if s, ok := status.FromError(err); ok && s.Message() != "" {
		return errors.New(s.Message())
	}
	return err
}
