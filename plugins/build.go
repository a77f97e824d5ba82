package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/pgregent/pgregent/plugins/proto"
)

// buildKind is which of the two services builds.
type buildKind int

const (
	replicaKind buildKind = iota
	bootstrapKind
)

func (k buildKind) capability() proto.Capability {
	if k == bootstrapKind {
		return proto.Capability_CAPABILITY_BOOTSTRAP
	}
	return proto.Capability_CAPABILITY_REPLICA_METHOD
}

// builderClient is what ReplicaMethod and Bootstrap have in common.
type builderClient interface {
	Plan(context.Context, *proto.BuildRequest, ...grpc.CallOption) (*proto.PlanResponse, error)
	Run(context.Context, *proto.BuildRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[proto.Progress], error)
	Cancel(context.Context, *proto.CancelRequest, ...grpc.CallOption) (*proto.CancelResponse, error)
	Verify(context.Context, *proto.BuildRequest, ...grpc.CallOption) (*proto.VerifyResponse, error)
}

func (p *process) builder(k buildKind) (builderClient, error) {
	if !p.can(k.capability()) {
		return nil, fmt.Errorf("plugin %s %s does not serve %s", p.info.Name, p.info.Version, k.capability())
	}
	if k == bootstrapKind {
		return proto.NewBootstrapClient(p.conn), nil
	}
	return proto.NewReplicaMethodClient(p.conn), nil
}

// plan asks what build would do.
func (p *process) plan(ctx context.Context, k buildKind, r *proto.BuildRequest) (*proto.PlanResponse, error) {
	b, err := p.builder(k)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.spec.callTimeout())
	defer cancel()
	plan, err := b.Plan(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", plain(err))
	}
	return plan, nil
}

// cancelWait is how long a plugin may take to end its work when it is
// cancelled, before it is killed with what it started.
const cancelWait = 10 * time.Second

// build runs the work to its end and verifies it. When ctx ends, the plugin is
// asked to end the work, and whoever does not is killed.
func (p *process) build(ctx context.Context, k buildKind, r *proto.BuildRequest, report func(*proto.Progress)) (took time.Duration, err error) {
	b, err := p.builder(k)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done := make(chan error, 1)
	go func() { done <- follow(running, b, r, report) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		p.cancelBuild(b, r, done)
		return time.Since(began), context.Cause(ctx)
	}
	if err != nil {
		if p.died() {
			err = fmt.Errorf("the plugin's process ended in the middle of it: %w", p.explain(err))
		}
		return time.Since(began), err
	}
	verifying, cancel := context.WithTimeout(ctx, cancelWait)
	defer cancel()
	v, err := b.Verify(verifying, r)
	switch {
	case err != nil:
		err = fmt.Errorf("verify: %w", plain(err))
	case !v.Ok:
		err = errors.New("verify: " + v.Message)
	}
	return time.Since(began), err
}

// diedWait is how long the end of a process is waited for whose connection
// broke.
const diedWait = 200 * time.Millisecond

func (p *process) died() bool {
	select {
	case <-p.runner.waited:
		return true
	case <-time.After(diedWait):
		return false
	}
}

// cancelBuild returns when the work has ended, or the plugin was killed.
func (p *process) cancelBuild(b builderClient, r *proto.BuildRequest, done <-chan error) {
	ctx, cancel := context.WithTimeout(context.Background(), cancelWait)
	defer cancel()
	_, err := b.Cancel(ctx, &proto.CancelRequest{Id: r.Id})
	if err == nil {
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
	}
	p.kill()
	<-done
}

// follow reads the stream of progress until the work has ended.
func follow(ctx context.Context, b builderClient, r *proto.BuildRequest, report func(*proto.Progress)) error {
	stream, err := b.Run(ctx, r)
	if err != nil {
		return plain(err)
	}
	for {
		p, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return plain(err)
		}
		report(p)
	}
}
