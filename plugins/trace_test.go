package plugins

import (
	"context"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/pgregent/pgregent/core/cluster"
)

type (
	provider struct{ embedded.TracerProvider }
	tracer   struct{ embedded.Tracer }
)

// spans is a tracer that gives each span an identifier of its own, below what
// it is started under, and notes their names.
type spans struct {
	provider
	tracer

	mu    sync.Mutex
	names []string
}

func (s *spans) Tracer(string, ...trace.TracerOption) trace.Tracer { return s }

func (s *spans) Start(ctx context.Context, name string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = append(s.names, name)
	above := trace.SpanContextFromContext(ctx)
	own := above.WithSpanID(trace.SpanID{0xaa, byte(len(s.names))})
	return noop.NewTracerProvider().Tracer("").Start(trace.ContextWithSpanContext(ctx, own), name)
}

const above = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// What a plugin does is below the call's span, which is below what the agent
// does.
func TestPluginsSeeTheTrace(t *testing.T) {
	s, marker := marked(t, "traces")
	l, out := newLauncher(t)
	tracer := &spans{}
	h, err := NewHost(Options{
		Cluster: "main", Node: "n1", StateDir: t.TempDir(), Logger: l.log, Standing: []Spec{s}, Tracer: tracer,
		Find:        func(string) (Spec, bool) { return s, true },
		Callbacks:   func() map[string]string { return nil },
		PrimaryWord: func() string { return "primary" },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	wait := func(what string) {
		t.Helper()
		eventually(t, what, func() bool { return strings.Contains(contents(marker), what) })
	}
	e := role("on_start", cluster.RolePrimary, 3)
	e.TraceParent = above
	h.Event(e)
	wait("event")
	h.Route(cluster.Route{Epoch: 3, TraceParent: above})
	wait("route")
	err = h.Build(withTrace(t.Context(), above), cluster.BuildSpec{Method: "x", DataDir: t.TempDir()}, func(cluster.Build) {})
	if err != nil {
		t.Fatal(err)
	}
	const in = "0af7651916cd43dd8448eb211c80319c aa0"
	want := "event " + in + "1000000000000\nroute " + in + "2000000000000\nbuild " + in + "3000000000000\n"
	if got := contents(marker); got != want {
		t.Errorf("the plugin saw\n%swant\n%s", got, want)
	}
	names := strings.Join(tracer.names, " ")
	if names != "pgregent.plugin.v1.Callback/Notify pgregent.plugin.v1.Router/Update pgregent.plugin.v1.ReplicaMethod/Run pgregent.plugin.v1.ReplicaMethod/Verify" {
		t.Errorf("spans: got %s", names)
	}
	eventually(t, "the trace in the plugin's log", func() bool {
		return strings.Contains(out.String(), "level=INFO msg=traced plugin=traces plugin_version=1.2 trace_id=0af7651916cd43dd8448eb211c80319c")
	})
}
