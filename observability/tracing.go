package observability

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/pgregent/pgregent/core/record"
)

// The protocols, as OTEL_EXPORTER_OTLP_PROTOCOL names them.
const (
	ProtocolGRPC = "grpc"
	ProtocolHTTP = "http/protobuf"
)

// exportLimit bounds one request to the collector. It is sent again with the
// next batch only if it failed in a way that passes, within the same limit.
const exportLimit = 5 * time.Second

// TracingOptions set tracing up. What is empty is as the OTEL_* variables, or
// the defaults of OpenTelemetry, say.
type TracingOptions struct {
	// Endpoint is the URL of the collector; Protocol is ProtocolGRPC or
	// ProtocolHTTP.
	Endpoint, Protocol string
	Headers            map[string]string
	// Getenv reads the environment.
	Getenv                 func(string) string
	Scope, Member, Version string
	Logger                 *slog.Logger
}

// Tracing brings records, and spans of others, to an OTLP collector.
type Tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	queue    *spanQueue
}

// enabled reports that a collector is configured.
func (o TracingOptions) enabled() bool {
	env := func(name string) string { return strings.TrimSpace(o.Getenv(name)) }
	switch {
	case strings.EqualFold(env("OTEL_SDK_DISABLED"), "true"), env("OTEL_TRACES_EXPORTER") == "none":
		return false
	case o.Endpoint != "", env("OTEL_TRACES_EXPORTER") == "otlp":
		return true
	}
	return env("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

func (o TracingOptions) protocol() string {
	for _, p := range []string{o.Protocol, o.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), o.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL")} {
		if p != "" {
			return p
		}
	}
	return ProtocolHTTP
}

// NewTracing returns nil, and no error, if no collector is configured: a nil
// Tracing does nothing. It does not talk to the collector yet.
func NewTracing(ctx context.Context, o TracingOptions) (*Tracing, error) {
	if !o.enabled() {
		return nil, nil
	}
	exporter, err := o.exporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("set up tracing: %w", err)
	}
	// The environment comes last: it may rename the service.
	res, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", "pgregent"), attribute.String("service.namespace", o.Scope),
		attribute.String("service.version", o.Version), attribute.String("service.instance.id", o.Member),
	), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("set up tracing: %w", err)
	}
	q := newSpanQueue(exporter, o.Logger)
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(q), sdktrace.WithResource(res), sdktrace.WithIDGenerator(generator{}))
	return &Tracing{provider: provider, queue: q, tracer: provider.Tracer("github.com/pgregent/pgregent")}, nil
}

func (o TracingOptions) exporter(ctx context.Context) (sdktrace.SpanExporter, error) {
	switch p := o.protocol(); p {
	case ProtocolGRPC:
		opts := []otlptracegrpc.Option{otlptracegrpc.WithTimeout(exportLimit), otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{})}
		if o.Endpoint != "" {
			opts = append(opts, otlptracegrpc.WithEndpointURL(o.Endpoint))
		}
		if len(o.Headers) > 0 {
			opts = append(opts, otlptracegrpc.WithHeaders(o.Headers))
		}
		return otlptrace.New(ctx, otlptracegrpc.NewClient(opts...))
	case ProtocolHTTP:
		opts := []otlptracehttp.Option{otlptracehttp.WithTimeout(exportLimit), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{})}
		if o.Endpoint != "" {
			opts = append(opts, otlptracehttp.WithEndpointURL(withTracesPath(o.Endpoint)))
		}
		if len(o.Headers) > 0 {
			opts = append(opts, otlptracehttp.WithHeaders(o.Headers))
		}
		return otlptrace.New(ctx, otlptracehttp.NewClient(opts...))
	default:
		return nil, fmt.Errorf("protocol %q is neither %s nor %s", p, ProtocolGRPC, ProtocolHTTP)
	}
}

// withTracesPath adds the path that OTLP over HTTP has, unless there is one.
func withTracesPath(url string) string {
	rest := url
	if i := strings.Index(url, "://"); i >= 0 {
		rest = url[i+3:]
	}
	if path := strings.TrimRight(rest, "/"); strings.Contains(path, "/") {
		return url
	}
	return strings.TrimRight(url, "/") + "/v1/traces"
}

// Provider is for spans of other parts, as plugin calls; a no-op if t is nil.
func (t *Tracing) Provider() trace.TracerProvider {
	if t == nil {
		return noop.NewTracerProvider()
	}
	return t.provider
}

// ProviderOrNil is the provider, nil if nobody collects spans: then those who
// would make some need not.
func (t *Tracing) ProviderOrNil() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.provider
}

// Export makes a span of an entry that has ended.
func (t *Tracing) Export(e record.Entry) {
	if t == nil || e.End.IsZero() {
		return
	}
	ctx := withIDs(context.Background(), trace.TraceID(e.Trace), trace.SpanID(e.Span))
	if e.Parent != (record.SpanID{}) {
		ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID(e.Trace), SpanID: trace.SpanID(e.Parent), TraceFlags: trace.FlagsSampled, Remote: true,
		}))
	}
	_, span := t.tracer.Start(ctx, spanName(e), trace.WithTimestamp(e.Begin), trace.WithAttributes(attributesOf(e)...))
	for _, v := range e.Events {
		facts := make([]attribute.KeyValue, 0, len(v.Facts))
		for k, f := range v.Facts {
			facts = append(facts, attribute.String(k, f))
		}
		span.AddEvent(v.Name, trace.WithTimestamp(v.At), trace.WithAttributes(facts...))
	}
	if e.Err != "" {
		span.SetStatus(codes.Error, e.Err)
	}
	span.End(trace.WithTimestamp(e.End))
}

// spanName is the kind for the whole, the phase for its parts.
func spanName(e record.Entry) string {
	if e.Phase == record.Change && e.Kind != "" {
		return string(e.Kind)
	}
	return string(e.Phase)
}

func attributesOf(e record.Entry) []attribute.KeyValue {
	attrs := []attribute.KeyValue{
		attribute.String("pgregent.failover.id", e.ID.String()), attribute.String("pgregent.member", e.Member),
		attribute.Int64("pgregent.epoch", int64(e.Epoch)),
	}
	for name, v := range map[string]string{
		"pgregent.rule": e.Rule, "pgregent.reason": e.Reason, "pgregent.cause": string(e.Cause),
		"pgregent.kind": string(e.Kind), "pgregent.leader.old": e.Old, "pgregent.leader.new": e.New,
	} {
		if v != "" {
			attrs = append(attrs, attribute.String(name, v))
		}
	}
	if e.Timeline != 0 {
		attrs = append(attrs, attribute.Int64("pgregent.timeline", int64(e.Timeline)))
	}
	if e.LSN != 0 {
		attrs = append(attrs, attribute.String("pgregent.lsn", e.LSN.String()))
	}
	return attrs
}

// Dropped counts spans that never reached a collector, Exported those that did.
func (t *Tracing) Dropped() int64 {
	if t == nil {
		return 0
	}
	return t.queue.dropped.Load()
}

// Exported counts spans that a collector has taken.
func (t *Tracing) Exported() int64 {
	if t == nil {
		return 0
	}
	return t.queue.exported.Load()
}

// Shutdown sends what waits, until ctx ends.
func (t *Tracing) Shutdown(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}
