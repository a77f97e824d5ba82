package sdk

import (
	"context"
	"io"
	"log/slog"
	"os"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"github.com/pgregent/pgregent/plugins/proto"
)

// Serve runs the plugin until the agent ends it; it does not return while
// the agent lives. Nothing may be written to standard output before.
func Serve(p Plugin) {
	log := slog.New(NewLogHandler(os.Stderr)).With("plugin_version", p.Version)
	slog.SetDefault(log)
	go dieWithAgent(os.Stdin)
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  Handshake(),
		VersionedPlugins: map[int]plugin.PluginSet{proto.Version: {proto.ServiceName: Served(p)}},
		GRPCServer:       grpcServer,
		Logger:           hclog.NewNullLogger(),
	})
}

// grpcServer puts the agent's span into the context of each call. A plugin that
// has set a tracer provider with otel.SetTracerProvider before Serve gets a span
// below it; without one, the span in the context is the agent's.
func grpcServer(opts []grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append(opts, grpc.StatsHandler(otelgrpc.NewServerHandler(
		otelgrpc.WithPropagators(propagation.TraceContext{}),
	)))...)
}

// Handshake is how a plugin and the agent know each other.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{MagicCookieKey: proto.CookieKey, MagicCookieValue: proto.CookieValue}
}

// dieWithAgent ends this process and everything that it started when the agent
// is gone: standard input is a pipe of which only the agent has the other end.
// A leftover would go on writing into the data directory.
func dieWithAgent(stdin io.Reader) {
	if os.Getenv(proto.CookieKey) == "" {
		return // started by hand
	}
	_, _ = io.Copy(io.Discard, stdin)
	if unix.Getpgrp() == os.Getpid() {
		_ = unix.Kill(0, unix.SIGKILL)
	}
	os.Exit(1)
}

// Served is p as go-plugin serves it, for hosts in the same process.
func Served(p Plugin) plugin.Plugin { return &served{p: p} }

type served struct {
	plugin.NetRPCUnsupportedPlugin
	p Plugin
}

// GRPCServer implements plugin.GRPCPlugin.
func (s *served) GRPCServer(_ *plugin.GRPCBroker, g *grpc.Server) error {
	srv := newServer(s.p)
	proto.RegisterBaseServer(g, srv)
	if s.p.Replica != nil {
		proto.RegisterReplicaMethodServer(g, &replicaServer{builds: builds{server: srv, b: s.p.Replica}})
	}
	if s.p.Bootstrap != nil {
		proto.RegisterBootstrapServer(g, &bootstrapServer{builds: builds{server: srv, b: s.p.Bootstrap}})
	}
	if s.p.Callback != nil {
		proto.RegisterCallbackServer(g, &callbackServer{server: srv, c: s.p.Callback})
	}
	if s.p.Router != nil {
		proto.RegisterRouterServer(g, &routerServer{server: srv, r: s.p.Router})
	}
	return nil
}

// GRPCClient implements plugin.GRPCPlugin: the client is the connection.
func (s *served) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return c, nil
}
