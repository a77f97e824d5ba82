package sdk

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pgregent/pgregent/plugins/proto"
)

// builds is what ReplicaMethod and Bootstrap have in common.
type builds struct {
	server *server
	b      Builder
}

// replicaServer and bootstrapServer are the same service under two names.
type replicaServer struct {
	proto.UnimplementedReplicaMethodServer
	builds
}

type bootstrapServer struct {
	proto.UnimplementedBootstrapServer
	builds
}

func (s *replicaServer) Plan(ctx context.Context, r *proto.BuildRequest) (*proto.PlanResponse, error) {
	return s.plan(ctx, r)
}

func (s *bootstrapServer) Plan(ctx context.Context, r *proto.BuildRequest) (*proto.PlanResponse, error) {
	return s.plan(ctx, r)
}

func (s *replicaServer) Run(r *proto.BuildRequest, stream grpc.ServerStreamingServer[proto.Progress]) error {
	return s.run(r, stream)
}

func (s *bootstrapServer) Run(r *proto.BuildRequest, stream grpc.ServerStreamingServer[proto.Progress]) error {
	return s.run(r, stream)
}

func (s *replicaServer) Cancel(ctx context.Context, r *proto.CancelRequest) (*proto.CancelResponse, error) {
	return s.cancel(ctx, r)
}

func (s *bootstrapServer) Cancel(ctx context.Context, r *proto.CancelRequest) (*proto.CancelResponse, error) {
	return s.cancel(ctx, r)
}

func (s *replicaServer) Verify(ctx context.Context, r *proto.BuildRequest) (*proto.VerifyResponse, error) {
	return s.verify(ctx, r)
}

func (s *bootstrapServer) Verify(ctx context.Context, r *proto.BuildRequest) (*proto.VerifyResponse, error) {
	return s.verify(ctx, r)
}

func (s builds) plan(ctx context.Context, r *proto.BuildRequest) (out *proto.PlanResponse, err error) {
	if err := s.server.ready(); err != nil {
		return nil, err
	}
	err = guard(func() error {
		p, err := s.b.Plan(ctx, buildOf(r))
		out = &proto.PlanResponse{KeepData: p.KeepData, NoSource: p.NoSource, BytesTotal: p.BytesTotal, Message: p.Message}
		return err
	})
	return out, asStatus(ctx, err)
}

func (s builds) run(r *proto.BuildRequest, stream grpc.ServerStreamingServer[proto.Progress]) error {
	if err := s.server.ready(); err != nil {
		return err
	}
	ctx, end, err := s.server.begin(stream.Context(), r.Id)
	if err != nil {
		return err
	}
	defer end()
	err = guard(func() error { return s.b.Run(ctx, buildOf(r), &Progress{send: stream.Send}) })
	return asStatus(ctx, err)
}

func (s builds) cancel(ctx context.Context, r *proto.CancelRequest) (*proto.CancelResponse, error) {
	found, err := s.server.cancelWork(ctx, r.Id)
	return &proto.CancelResponse{Found: found}, asStatus(ctx, err)
}

func (s builds) verify(ctx context.Context, r *proto.BuildRequest) (*proto.VerifyResponse, error) {
	if err := s.server.ready(); err != nil {
		return nil, err
	}
	v, ok := s.b.(Verifier)
	if !ok {
		return &proto.VerifyResponse{Ok: true}, nil
	}
	if err := guard(func() error { return v.Verify(ctx, buildOf(r)) }); err != nil {
		return &proto.VerifyResponse{Message: err.Error()}, nil
	}
	return &proto.VerifyResponse{Ok: true}, nil
}

func buildOf(r *proto.BuildRequest) Build {
	b := Build{
		ID: r.Id, Cluster: r.Cluster, Node: r.Node, Method: r.Method, DataDir: r.DataDir, BinDir: r.BinDir,
		Programs: r.Programs, Role: r.Role, Attempt: int(r.Attempt),
	}
	if s := r.Source; s != nil {
		b.Source = &Source{Name: s.Name, Conninfo: s.Conninfo, PassFile: s.Passfile}
	}
	for _, o := range r.Options {
		b.Options = append(b.Options, Option{Key: o.Key, Value: o.Value, Bare: o.Bare})
	}
	return b
}

type callbackServer struct {
	proto.UnimplementedCallbackServer
	server *server
	c      Callback
}

// Notify implements proto.CallbackServer.
func (s *callbackServer) Notify(ctx context.Context, e *proto.Event) (*proto.NotifyResponse, error) {
	if err := s.server.ready(); err != nil {
		return nil, err
	}
	if e.DeadlineMs > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, time.UnixMilli(e.DeadlineMs))
		defer cancel()
	}
	err := guard(func() error {
		return s.c.Notify(ctx, Event{
			Action: e.Action, Cluster: e.Cluster, Node: e.Node, OldRole: e.OldRole, Role: e.Role, Epoch: e.Epoch,
			LSN: e.Lsn, Timeline: e.Timeline, At: time.UnixMilli(e.AtMs), Sequence: e.Sequence,
		})
	})
	return &proto.NotifyResponse{}, asStatus(ctx, err)
}

type routerServer struct {
	proto.UnimplementedRouterServer
	server *server
	r      Router

	mu              sync.Mutex
	epoch, sequence int64
	node            string
}

// newer takes a route's place in the order in, and refuses what came late: a
// route of an older epoch, or an older one of the same node.
func (s *routerServer) newer(r *proto.Route) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Epoch < s.epoch || (r.Epoch == s.epoch && r.Node == s.node && r.Sequence < s.sequence) {
		return false
	}
	s.epoch, s.sequence, s.node = r.Epoch, r.Sequence, r.Node
	return true
}

func (s *routerServer) route(ctx context.Context, r *proto.Route, f func(context.Context, Route) error) (*proto.UpdateResponse, error) {
	if err := s.server.ready(); err != nil {
		return nil, err
	}
	if r.Epoch < 0 {
		return nil, status.Error(codes.InvalidArgument, "the epoch is negative")
	}
	if !s.newer(r) {
		return &proto.UpdateResponse{Stale: true, Message: "older than what is in force"}, nil
	}
	if r.DeadlineMs > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, time.UnixMilli(r.DeadlineMs))
		defer cancel()
	}
	out := Route{Cluster: r.Cluster, Node: r.Node, Epoch: r.Epoch, Sequence: r.Sequence, Primary: endpointOf(r.Primary)}
	for _, e := range r.Replicas {
		out.Replicas = append(out.Replicas, *endpointOf(e))
	}
	err := guard(func() error { return f(ctx, out) })
	return &proto.UpdateResponse{}, asStatus(ctx, err)
}

// Update implements proto.RouterServer.
func (s *routerServer) Update(ctx context.Context, r *proto.Route) (*proto.UpdateResponse, error) {
	return s.route(ctx, r, s.r.Update)
}

// Drain implements proto.RouterServer.
func (s *routerServer) Drain(ctx context.Context, r *proto.Route) (*proto.UpdateResponse, error) {
	return s.route(ctx, r, s.r.Drain)
}

func endpointOf(e *proto.Endpoint) *Endpoint {
	if e == nil {
		return nil
	}
	return &Endpoint{Name: e.Name, Host: e.Host, Port: int(e.Port)}
}
