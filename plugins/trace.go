package plugins

import (
	"context"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc/stats"

	"github.com/pgregent/pgregent/plugins/proto"
)

// traceKey is the name of the W3C header, in a carrier and in gRPC metadata.
const traceKey = "traceparent"

// calls makes a span of each call of work, and tells the plugin of it. What
// go-plugin and Base do for themselves is no work.
func calls(provider trace.TracerProvider) stats.Handler {
	if provider == nil {
		provider = noop.NewTracerProvider() // passes on what is above
	}
	base := "/" + proto.Base_ServiceDesc.ServiceName + "/"
	work := "/" + strings.TrimSuffix(proto.Base_ServiceDesc.ServiceName, "Base")
	return traced{otelgrpc.NewClientHandler(
		otelgrpc.WithTracerProvider(provider), otelgrpc.WithPropagators(propagation.TraceContext{}),
		otelgrpc.WithFilter(func(i *stats.RPCTagInfo) bool {
			return strings.HasPrefix(i.FullMethodName, work) && !strings.HasPrefix(i.FullMethodName, base)
		}),
	)}
}

// traced leaves calls alone that belong to no trace: an event of the steady
// state, as a start, would else be a trace of its own.
type traced struct{ stats.Handler }

// TagRPC implements stats.Handler.
func (h traced) TagRPC(ctx context.Context, i *stats.RPCTagInfo) context.Context {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return h.Handler.TagRPC(ctx, i)
}

// HandleRPC implements stats.Handler.
func (h traced) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if trace.SpanContextFromContext(ctx).IsValid() {
		h.Handler.HandleRPC(ctx, s)
	}
}

// traceParent is the span of ctx as a W3C traceparent; "" if there is none.
func traceParent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceKey]
}

// withTrace puts what a traceparent says above the calls of ctx.
func withTrace(ctx context.Context, parent string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceKey: parent})
}
