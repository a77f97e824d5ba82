package sdk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pgregent/pgregent/plugins/proto"
)

// server is Base, and what the other services share.
type server struct {
	proto.UnimplementedBaseServer
	p Plugin

	mu         sync.Mutex
	configured bool
	work       map[string]*work
}

// work is one build under way.
type work struct {
	cancel context.CancelCauseFunc
	done   chan struct{}
}

func newServer(p Plugin) *server { return &server{p: p, work: map[string]*work{}} }

// Info implements proto.BaseServer.
func (s *server) Info(context.Context, *proto.InfoRequest) (*proto.InfoResponse, error) {
	settings, err := Schema(s.p.Settings)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	out := &proto.InfoResponse{Name: s.p.Name, Version: s.p.Version, Settings: settings}
	for _, c := range []struct {
		has bool
		c   proto.Capability
	}{
		{s.p.Replica != nil, proto.Capability_CAPABILITY_REPLICA_METHOD},
		{s.p.Bootstrap != nil, proto.Capability_CAPABILITY_BOOTSTRAP},
		{s.p.Callback != nil, proto.Capability_CAPABILITY_CALLBACK},
		{s.p.Router != nil, proto.Capability_CAPABILITY_ROUTER},
	} {
		if c.has {
			out.Capabilities = append(out.Capabilities, c.c)
		}
	}
	return out, nil
}

// Configure implements proto.BaseServer.
func (s *server) Configure(_ context.Context, r *proto.ConfigureRequest) (*proto.ConfigureResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.configured {
		return nil, status.Error(codes.FailedPrecondition, "it is configured already")
	}
	findings := Decode(s.p.Settings, r.Settings)
	if len(findings) == 0 && s.p.Check != nil {
		if err := s.p.Check(); err != nil {
			findings = append(findings, &proto.Finding{Message: err.Error()})
		}
	}
	s.configured = len(findings) == 0
	return &proto.ConfigureResponse{Findings: findings}, nil
}

// Health implements proto.BaseServer.
func (s *server) Health(ctx context.Context, _ *proto.HealthRequest) (*proto.HealthResponse, error) {
	if s.p.Health == nil {
		return &proto.HealthResponse{Ok: true}, nil
	}
	if err := guard(func() error { return s.p.Health(ctx) }); err != nil {
		return &proto.HealthResponse{Message: err.Error()}, nil
	}
	return &proto.HealthResponse{Ok: true}, nil
}

// ready refuses work before Configure.
func (s *server) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.configured {
		return status.Error(codes.FailedPrecondition, "it is not configured yet")
	}
	return nil
}

// begin registers work, of which there is one at a time for each id.
func (s *server) begin(ctx context.Context, id string) (context.Context, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, running := s.work[id]; running {
		return nil, nil, status.Error(codes.AlreadyExists, "this work runs already")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	w := &work{cancel: cancel, done: make(chan struct{})}
	s.work[id] = w
	return ctx, func() {
		s.mu.Lock()
		delete(s.work, id)
		s.mu.Unlock()
		cancel(nil)
		close(w.done)
	}, nil
}

var errCancelled = errors.New("cancelled")

// cancelWork ends work and waits for its end.
func (s *server) cancelWork(ctx context.Context, id string) (found bool, err error) {
	s.mu.Lock()
	w := s.work[id]
	s.mu.Unlock()
	if w == nil {
		return false, nil
	}
	w.cancel(errCancelled)
	select {
	case <-w.done:
		return true, nil
	case <-ctx.Done():
		return true, ctx.Err()
	}
}

// guard makes an error of a panic: the author's bug must not take down what
// else the plugin does.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			slog.Error("panic in the plugin", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

// asStatus makes a gRPC status of an error.
func asStatus(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, err.Error())
	case ctx.Err() != nil:
		return status.Error(codes.Canceled, err.Error())
	}
	return status.Error(codes.Unknown, err.Error())
}
