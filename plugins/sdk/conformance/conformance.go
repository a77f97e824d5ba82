package conformance

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pgregent/pgregent/plugins/proto"
)

// Suite says what is tested, and with what.
type Suite struct {
	// Path is the plugin's program, Args its arguments.
	Path string
	Args []string
	// Settings is a JSON object with which the plugin works; "": {}.
	Settings string
	// Build is work that must go well; nil leaves that out. Cancel and crash
	// are tested with it, too.
	Build *proto.BuildRequest
}

// limit bounds each step: what takes longer hangs.
const limit = 20 * time.Second

// T is what a check tells its result; *testing.T is one.
type T interface {
	Helper()
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Skip(args ...any)
	Skipf(format string, args ...any)
	// Cleanup has f called after the check.
	Cleanup(f func())
	// Context ends when the check does, before what Cleanup was given.
	Context() context.Context
}

// Check is one thing that the agent relies on.
type Check struct {
	// Name is a predicate of the plugin: "tells what it is".
	Name string
	Do   func(T)
}

// Checks are all checks, in the order in which they explain each other.
func (s Suite) Checks() []Check {
	if s.Settings == "" {
		s.Settings = "{}"
	}
	return []Check{
		{"tells what it is", s.info},
		{"refuses work before it is configured", s.unconfigured},
		{"refuses settings that it does not know", s.unknownSetting},
		{"refuses a host of another version", s.versionSkew},
		{"explains itself when it is started by hand", s.byHand},
		{"ends with the agent", s.endsWithAgent},
		{"can be killed and started again", s.restart},
		{"builds", s.build},
		{"ends a build that is cancelled", s.cancel},
		{"keeps the deadline of an event", s.event},
		{"refuses a route that came late", s.lateRoute},
	}
}

// running is a started plugin.
type running struct {
	conn *grpc.ClientConn
	cmd  *exec.Cmd
	in   io.WriteCloser
	info *proto.InfoResponse
}

// start starts the plugin for a host of that protocol version.
func (s Suite) start(t T, version int) (*running, error) {
	t.Helper()
	cmd := exec.Command(s.Path, s.Args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r := &running{cmd: cmd}
	c := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: proto.CookieKey, MagicCookieValue: proto.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{version: {proto.ServiceName: &connection{}}},
		Cmd:              cmd, AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, AutoMTLS: true,
		StartTimeout: limit, Logger: hclog.NewNullLogger(),
	})
	// The pipe that tells a plugin that the agent is gone; go-plugin hands the
	// test's own standard input on.
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	stdin := os.Stdin
	os.Stdin = in
	client, err := c.Client()
	os.Stdin = stdin
	r.in = out
	t.Cleanup(func() {
		if cmd.Process != nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // gone is fine
		}
		c.Kill()
		_, _ = in.Close(), out.Close()
	})
	if err != nil {
		return nil, err
	}
	raw, err := client.Dispense(proto.ServiceName)
	if err != nil {
		return nil, err
	}
	r.conn = raw.(*grpc.ClientConn)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	r.info, err = proto.NewBaseClient(r.conn).Info(ctx, &proto.InfoRequest{HostVersion: "plugintest"})
	return r, err
}

// ready starts and configures the plugin.
func (s Suite) ready(t T) *running {
	t.Helper()
	r, err := s.start(t, proto.Version)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	answer, err := proto.NewBaseClient(r.conn).Configure(t.Context(), &proto.ConfigureRequest{Cluster: "test", Node: "node1", Settings: []byte(s.Settings)})
	if err != nil {
		t.Fatalf("configure: %v", err)
	}
	for _, f := range answer.Findings {
		if !f.Warning {
			t.Fatalf("configure: %s: %s", f.Key, f.Message)
		}
	}
	return r
}

func (r *running) can(c proto.Capability) bool { return slices.Contains(r.info.Capabilities, c) }

// need skips what the plugin does not serve.
func (r *running) need(t T, c proto.Capability) {
	t.Helper()
	if !r.can(c) {
		t.Skipf("it does not serve %s", c)
	}
}

type connection struct{ plugin.NetRPCUnsupportedPlugin }

// GRPCServer implements plugin.GRPCPlugin.
func (*connection) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("this is a host")
}

// GRPCClient implements plugin.GRPCPlugin.
func (*connection) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return c, nil
}

func (s Suite) info(t T) {
	r, err := s.start(t, proto.Version)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	if r.info.Name == "" || r.info.Version == "" || len(r.info.Capabilities) == 0 {
		t.Errorf("name, version or capabilities are missing: %v", r.info)
	}
	for _, set := range r.info.Settings {
		if set.Help == "" {
			t.Errorf("setting %s has no help", set.Name)
		}
		if set.Secret && set.Default != "" {
			t.Errorf("the secret %s has a default", set.Name)
		}
	}
}

func (s Suite) unconfigured(t T) {
	r, err := s.start(t, proto.Version)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	switch {
	case r.can(proto.Capability_CAPABILITY_CALLBACK):
		_, err = proto.NewCallbackClient(r.conn).Notify(t.Context(), &proto.Event{Action: "on_start"})
	case r.can(proto.Capability_CAPABILITY_ROUTER):
		_, err = proto.NewRouterClient(r.conn).Update(t.Context(), &proto.Route{})
	case r.can(proto.Capability_CAPABILITY_BOOTSTRAP):
		_, err = proto.NewBootstrapClient(r.conn).Plan(t.Context(), &proto.BuildRequest{})
	default:
		_, err = proto.NewReplicaMethodClient(r.conn).Plan(t.Context(), &proto.BuildRequest{})
	}
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("got %v, want %s", err, codes.FailedPrecondition)
	}
}

func (s Suite) unknownSetting(t T) {
	r, err := s.start(t, proto.Version)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	if r.info.Open {
		t.Skip("it takes settings that its schema does not name")
	}
	answer, err := proto.NewBaseClient(r.conn).Configure(t.Context(), &proto.ConfigureRequest{Settings: []byte(`{"no_such_setting": 1}`)})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(answer.Findings, func(f *proto.Finding) bool { return f.Key == "no_such_setting" }) {
		t.Errorf("got %v, want a finding about no_such_setting", answer.Findings)
	}
}

func (s Suite) versionSkew(t T) {
	const future = 99
	if _, err := s.start(t, future); err == nil || !strings.Contains(strings.ToLower(err.Error()), "version") {
		t.Errorf("got %v, want an error about the version", err)
	}
}

func (s Suite) byHand(t T) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, s.Path, s.Args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err == nil || ctx.Err() != nil {
		t.Errorf("got %v, want it to exit with an error", err)
	}
	if out.Len() == 0 {
		t.Error("it says nothing")
	}
}

func (s Suite) endsWithAgent(t T) {
	r := s.ready(t)
	if err := r.in.Close(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		if _, err := proto.NewBaseClient(r.conn).Health(t.Context(), &proto.HealthRequest{}); err != nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("it still answers")
		}
	}
}

func (s Suite) restart(t T) {
	r := s.ready(t)
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	again := s.ready(t)
	answer, err := proto.NewBaseClient(again.conn).Health(t.Context(), &proto.HealthRequest{})
	if err != nil {
		t.Errorf("health after a restart: %v", err)
	}
	if answer != nil && !answer.Ok && answer.Message == "" {
		t.Error("it is not healthy and does not say why")
	}
}
