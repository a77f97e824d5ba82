package conformance

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pgregent/pgregent/plugins/proto"
)

// builder is ReplicaMethod or Bootstrap.
type builder interface {
	Plan(context.Context, *proto.BuildRequest, ...grpc.CallOption) (*proto.PlanResponse, error)
	Run(context.Context, *proto.BuildRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[proto.Progress], error)
	Cancel(context.Context, *proto.CancelRequest, ...grpc.CallOption) (*proto.CancelResponse, error)
	Verify(context.Context, *proto.BuildRequest, ...grpc.CallOption) (*proto.VerifyResponse, error)
}

// builder skips plugins that build nothing, and tests without work.
func (s Suite) builder(t T, r *running) builder {
	t.Helper()
	switch {
	case s.Build == nil:
		t.Skip("the suite has no Build")
	case r.can(proto.Capability_CAPABILITY_REPLICA_METHOD):
		return proto.NewReplicaMethodClient(r.conn)
	case r.can(proto.Capability_CAPABILITY_BOOTSTRAP):
		return proto.NewBootstrapClient(r.conn)
	}
	t.Skip("it builds nothing")
	return nil
}

func (s Suite) build(t T) {
	r := s.ready(t)
	b := s.builder(t, r)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := b.Plan(ctx, s.Build); err != nil {
		t.Fatalf("plan: %v", err)
	}
	stream, err := b.Run(ctx, s.Build)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	reports := 0
	for {
		p, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("run: %v", err)
		}
		reports++
		if p.BytesTotal > 0 && p.BytesDone > p.BytesTotal {
			t.Errorf("%d of %d bytes are done", p.BytesDone, p.BytesTotal)
		}
		if p.Phase == "" {
			t.Error("a report has no phase")
		}
	}
	if reports == 0 {
		t.Error("no progress was reported")
	}
	if v, err := b.Verify(ctx, s.Build); err != nil || !v.Ok {
		t.Errorf("verify: %v, %v", v, err)
	}
}

func (s Suite) cancel(t T) {
	r := s.ready(t)
	b := s.builder(t, r)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if answer, err := b.Cancel(ctx, &proto.CancelRequest{Id: "nothing"}); err != nil || answer.Found {
		t.Errorf("cancel of nothing: got %v, %v", answer, err)
	}
	stream, err := b.Run(ctx, s.Build)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Skipf("the work ended before it could be cancelled: %v", err)
	}
	if _, err := b.Cancel(ctx, &proto.CancelRequest{Id: s.Build.Id}); err != nil {
		t.Fatalf("cancel: %v", err)
	}
	for {
		if _, err := stream.Recv(); err != nil {
			if status.Code(err) == codes.DeadlineExceeded {
				t.Error("the work went on")
			}
			return
		}
	}
}

func (s Suite) event(t T) {
	r := s.ready(t)
	r.need(t, proto.Capability_CAPABILITY_CALLBACK)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	deadline := time.Now().Add(limit / 4)
	_, err := proto.NewCallbackClient(r.conn).Notify(ctx, &proto.Event{
		Action: "on_role_change", Cluster: "test", Node: "node1", OldRole: "replica", Role: "primary", Epoch: 7,
		AtMs: time.Now().UnixMilli(), DeadlineMs: deadline.UnixMilli(), Sequence: 1,
	})
	if ctx.Err() != nil {
		t.Errorf("it does not keep the deadline of the event: %v", err)
	}
}

func (s Suite) lateRoute(t T) {
	r := s.ready(t)
	r.need(t, proto.Capability_CAPABILITY_ROUTER)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	router := proto.NewRouterClient(r.conn)
	primary := &proto.Endpoint{Name: "node1", Host: "127.0.0.1", Port: 5432}
	// The first one may fail, if what it leads to is not there; it counts.
	_, _ = router.Update(ctx, &proto.Route{Epoch: 9, Sequence: 2, Node: "node1", Primary: primary})
	answer, err := router.Update(ctx, &proto.Route{Epoch: 8, Sequence: 3, Node: "node1", Primary: primary})
	if err != nil || !answer.Stale {
		t.Errorf("a route of an older epoch: got %v, %v, want stale", answer, err)
	}
}
