package observability

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/record"
	"github.com/pgregent/pgregent/test/otlp"
)

func noEnv(string) string { return "" }

func someEntry(member string, phase record.Phase) record.Entry {
	id := record.Derive("1", "shop", 7)
	begin := time.Now().Add(-time.Second)
	e := record.Entry{
		ID: id, Trace: id, Span: id.Span(member, string(phase), begin), Parent: id.Root(), Member: member, Phase: phase, Kind: record.Failover,
		Begin: begin, End: begin.Add(300 * time.Millisecond), Rule: "race", Reason: "the healthiest", Cause: record.CauseNodeLost, LSN: 0x2000060, Timeline: 3, Epoch: 7,
		Old: "db1", New: "db2", Events: []record.Event{{At: begin, Name: "peer", Facts: map[string]string{"member": "db3"}}},
	}
	if phase == record.Change {
		e.Span, e.Parent = id.Root(), record.SpanID{}
	}
	return e
}

func tracingTo(t *testing.T, o TracingOptions) *Tracing {
	t.Helper()
	o.Scope, o.Member, o.Version = "shop", "db2", "1.2"
	if o.Getenv == nil {
		o.Getenv = noEnv
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	tr, err := NewTracing(t.Context(), o)
	if err != nil || tr == nil {
		t.Fatalf("got %v, %v", tr, err)
	}
	return tr
}

func TestEntriesBecomeSpansOverBothProtocols(t *testing.T) {
	for _, protocol := range []string{ProtocolGRPC, ProtocolHTTP} {
		sink := otlp.Start(t)
		url := map[string]string{ProtocolGRPC: sink.GRPC, ProtocolHTTP: sink.HTTP}[protocol]
		tr := tracingTo(t, TracingOptions{Endpoint: url, Protocol: protocol, Headers: map[string]string{"x-key": "k"}})
		root, race, open := someEntry("db2", record.Change), someEntry("db2", record.Race), someEntry("db2", record.Follow)
		race.Err, open.End = "refused", time.Time{}
		for _, e := range []record.Entry{race, root, open} {
			tr.Export(e)
		}
		if err := tr.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		spans := sink.Spans()
		if len(spans) != 2 || tr.Exported() != 2 || tr.Dropped() != 0 {
			t.Fatalf("%s: %d spans, %d exported, %d dropped", protocol, len(spans), tr.Exported(), tr.Dropped())
		}
		got := spans[0]
		if got.Trace != race.Trace.String() || got.ID != race.Span.String() || got.Parent != root.Span.String() || got.Name != "race" || !got.Failed {
			t.Errorf("%s: %+v", protocol, got)
		}
		if got.Service != "pgregent" || got.Member != "db2" || got.Facts["pgregent.rule"] != "race" || got.Facts["pgregent.lsn"] != "0/2000060" || got.Events[0] != "peer" {
			t.Errorf("%s: %+v", protocol, got)
		}
		if !got.Begin.Equal(race.Begin) || !got.End.Equal(race.End) {
			t.Errorf("%s: from %v to %v", protocol, got.Begin, got.End)
		}
		if r := spans[1]; r.ID != root.ID.Root().String() || r.Parent != "" || r.Name != "failover" || r.Trace != got.Trace {
			t.Errorf("%s: %+v", protocol, r)
		}
		if h := sink.Headers(); protocol == ProtocolHTTP && h[0].Get("X-Key") != "k" {
			t.Errorf("headers %v", h)
		}
	}
}

func TestTracingIsOffUnlessACollectorIsNamed(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for name, tc := range map[string]struct {
		o    TracingOptions
		want bool
	}{
		"nothing":            {TracingOptions{Getenv: noEnv}, false},
		"section":            {TracingOptions{Endpoint: "http://c:4318", Getenv: noEnv}, true},
		"variable":           {TracingOptions{Getenv: env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")}, true},
		"variable of traces": {TracingOptions{Getenv: env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4318")}, true},
		"exporter":           {TracingOptions{Getenv: env("OTEL_TRACES_EXPORTER", "otlp")}, true},
		"no exporter":        {TracingOptions{Endpoint: "http://c:4318", Getenv: env("OTEL_TRACES_EXPORTER", "none")}, false},
		"disabled":           {TracingOptions{Endpoint: "http://c:4318", Getenv: env("OTEL_SDK_DISABLED", "true")}, false},
	} {
		if got := tc.o.enabled(); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	off, err := NewTracing(t.Context(), TracingOptions{Getenv: noEnv})
	if off != nil || err != nil {
		t.Fatalf("got %v, %v", off, err)
	}
	off.Export(someEntry("a", record.Race)) // does nothing
	_, span := off.Provider().Tracer("x").Start(t.Context(), "y")
	if span.IsRecording() || off.Shutdown(t.Context()) != nil || off.Dropped() != 0 || off.Exported() != 0 {
		t.Error("tracing that is off does something")
	}
	if _, err := NewTracing(t.Context(), TracingOptions{Endpoint: "http://c:1", Protocol: "smoke", Getenv: noEnv}); err == nil {
		t.Error("an unknown protocol is taken")
	}
}

// deaf accepts connections and never answers.
func deaf(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return "http://" + l.Addr().String()
}

func TestADeafCollectorCostsNothing(t *testing.T) {
	for _, protocol := range []string{ProtocolGRPC, ProtocolHTTP} {
		var log bytes.Buffer
		tr := tracingTo(t, TracingOptions{Endpoint: deaf(t), Protocol: protocol, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		const many = 2 * spanRoom // would take 40 s if anything waited for the collector
		begin := time.Now()
		for range many {
			tr.Export(someEntry("db2", record.Race))
		}
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("%s: %d spans took %v", protocol, many, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		begin = time.Now()
		err := tr.Shutdown(ctx)
		cancel()
		if took := time.Since(begin); err == nil || took > 2*time.Second {
			t.Errorf("%s: shut down in %v: %v", protocol, took, err)
		}
		if tr.Dropped() != many || tr.Exported() != 0 {
			t.Errorf("%s: %d of %d dropped", protocol, tr.Dropped(), many)
		}
		if n := strings.Count(log.String(), "the collector does not take spans"); n != 1 {
			t.Errorf("%s: said %d times:\n%s", protocol, n, log.String())
		}
	}
}

func TestSpansOfOthersGetIdentifiers(t *testing.T) {
	sink := otlp.Start(t)
	tr := tracingTo(t, TracingOptions{Endpoint: sink.HTTP})
	tracer := tr.Provider().Tracer("plugin")
	ctx, parent := tracer.Start(t.Context(), "outer")
	_, child := tracer.Start(ctx, "inner")
	child.End()
	parent.End()
	if err := tr.provider.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := sink.Spans()
	if len(s) != 2 || s[0].Parent != s[1].ID || s[0].Trace != s[1].Trace || s[1].ID == "" || s[1].Parent != "" {
		t.Errorf("got %+v", s)
	}
	if err := tr.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
