package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/record"
	"github.com/pgregent/pgregent/test/lab"
)

// jaegerTrace is what Jaeger's query API says of one trace.
type jaegerTrace struct {
	TraceID string
	Spans   []struct {
		SpanID, OperationName, ProcessID string
		References                       []struct{ SpanID string }
	}
	Processes map[string]struct {
		Tags []struct {
			Key   string
			Value any
		}
	}
}

// TestJaegerShowsOneTrace sends a failover to a real Jaeger and reads it back
// over its query API.
func TestJaegerShowsOneTrace(t *testing.T) {
	program := os.Getenv("PGREGENT_JAEGER")
	if program == "" {
		t.Skip("make jaeger builds Jaeger and runs this")
	}
	collector, query := startJaeger(t, program)
	l := lab.New(t, lab.Options{DCS: traceDCS, Node: func(string) string {
		return "observability:\n  tracing: {endpoint: '" + collector + "', protocol: grpc}\n" + hooked(t)
	}})
	l.CreateTable()
	r := &run{Lab: l, t: t, leader: l.Leader(), writer: l.NewWriter(1), probes: l.NewProbes()}
	r.settle()
	r.leader.KillAll()
	r.writer.AwaitMore(20, 60*time.Second)
	r.leader.Start()
	after := r.WaitHealthy(90 * time.Second)
	s := r.story(after, record.Failover, toldBy(3))
	var got jaegerTrace
	r.Wait(30*time.Second, "the whole trace in Jaeger", func() string {
		var answer struct{ Data []jaegerTrace }
		if why := fetch(query+"/api/traces?service=pgregent&limit=20", &answer); why != "" {
			return why
		}
		if len(answer.Data) != 1 {
			return fmt.Sprintf("%d traces", len(answer.Data))
		}
		got = answer.Data[0]
		there := map[string]bool{}
		for _, span := range got.Spans {
			there[span.SpanID] = true
		}
		for _, e := range s.Phases { // the calls that it made come before a phase
			if !there[e.Span.String()] {
				return fmt.Sprintf("no %s of %s among %d spans", e.Phase, e.Member, len(got.Spans))
			}
		}
		return ""
	})
	if got.TraceID != s.Trace.String() {
		t.Errorf("the trace is %s, the record says %s", got.TraceID, s.Trace)
	}
	members := map[any]bool{}
	for _, p := range got.Processes {
		for _, tag := range p.Tags {
			if tag.Key == "service.instance.id" {
				members[tag.Value] = true
			}
		}
	}
	if len(members) != 3 {
		t.Errorf("spans of %v, want those of three members", members)
	}
	there, plugin := map[string]bool{}, false
	for _, span := range got.Spans {
		there[span.SpanID] = true
		plugin = plugin || span.OperationName == notify
	}
	for _, span := range got.Spans {
		root := span.SpanID == s.ID.Root().String()
		if root != (len(span.References) == 0) || !root && !there[span.References[0].SpanID] {
			t.Errorf("%s is below %v", span.OperationName, span.References)
		}
	}
	if !plugin {
		t.Error("the trace has no call of a plugin")
	}
}

func fetch(url string, into any) string {
	resp, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return err.Error()
	}
	return ""
}

// startJaeger runs it on free loopback ports and returns the addresses of its
// collector (OTLP by gRPC) and of its query API.
func startJaeger(t *testing.T, program string) (collector, query string) {
	t.Helper()
	var at []string
	for range 20 { // every port that it opens by default
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, l.Addr().String())
		_ = l.Close()
	}
	cmd := exec.Command(program,
		"--collector.otlp.grpc.host-port="+at[0], "--query.http-server.host-port="+at[1], "--query.grpc-server.host-port="+at[2],
		"--collector.otlp.http.host-port="+at[3], "--collector.grpc-server.host-port="+at[4], "--collector.http-server.host-port="+at[5],
		"--admin.http.host-port="+at[6], "--processor.jaeger-binary.server-host-port="+at[7], "--processor.jaeger-compact.server-host-port="+at[8],
		"--processor.zipkin-compact.server-host-port="+at[9], "--http-server.host-port="+at[10], "--collector.otlp.enabled=true", "--log-level=error")
	cmd.Env = append(os.Environ(), "SPAN_STORAGE_TYPE=memory")
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return "http://" + at[0], "http://" + at[1]
}
