package otlp

import (
	"context"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Span is what was received of one.
type Span struct {
	Name, Trace, ID, Parent string
	// Service and Member are service.name and service.instance.id.
	Service, Member string
	Begin, End      time.Time
	Facts           map[string]string
	Events          []string
	Failed          bool
}

// Sink is a running collector.
type Sink struct {
	collector.UnimplementedTraceServiceServer

	// GRPC and HTTP are its URLs.
	GRPC, HTTP string

	mu      sync.Mutex
	spans   []Span
	headers []http.Header
	refuses bool
}

// Start runs a sink until the test ends.
func Start(t testing.TB) *Sink {
	t.Helper()
	s := &Sink{}
	forGRPC, forHTTP := listen(t), listen(t)
	s.GRPC, s.HTTP = "http://"+forGRPC.Addr().String(), "http://"+forHTTP.Addr().String()
	g := grpc.NewServer()
	collector.RegisterTraceServiceServer(g, s)
	h := &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 5 * time.Second}
	var group sync.WaitGroup
	group.Go(func() { _ = g.Serve(forGRPC) }) // ends with Stop
	group.Go(func() { _ = h.Serve(forHTTP) }) // ends with Close
	t.Cleanup(func() {
		g.Stop()
		_ = h.Close()
		group.Wait()
	})
	return s
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (s *Sink) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var req collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &req) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.headers = append(s.headers, r.Header.Clone())
	s.mu.Unlock()
	if _, err := s.Export(r.Context(), &req); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	out, _ := proto.Marshal(&collector.ExportTraceServiceResponse{})
	_, _ = w.Write(out) // a client that went away cannot be told
}

// Refuse lets the collector take no spans, or take them again. Whoever sends
// them is told not to try again.
func (s *Sink) Refuse(refuses bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuses = refuses
}

// Export implements the collector's service.
func (s *Sink) Export(_ context.Context, req *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuses {
		return nil, status.Error(codes.InvalidArgument, "no spans are taken now")
	}
	for _, r := range req.ResourceSpans {
		about := facts(r.Resource.GetAttributes())
		for _, scope := range r.ScopeSpans {
			for _, p := range scope.Spans {
				span := Span{
					Name: p.Name, Trace: hex.EncodeToString(p.TraceId), ID: hex.EncodeToString(p.SpanId), Parent: hex.EncodeToString(p.ParentSpanId),
					Service: about["service.name"], Member: about["service.instance.id"], Facts: facts(p.Attributes),
					Begin: time.Unix(0, int64(p.StartTimeUnixNano)), End: time.Unix(0, int64(p.EndTimeUnixNano)),
					Failed: p.Status.GetCode() == 2, // ERROR
				}
				for _, e := range p.Events {
					span.Events = append(span.Events, e.Name)
				}
				s.spans = append(s.spans, span)
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

func facts(list []*common.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range list {
		m[kv.Key] = kv.Value.GetStringValue()
	}
	return m
}

// Spans are all that were received.
func (s *Sink) Spans() []Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Span(nil), s.spans...)
}

// Headers are those of the requests over HTTP.
func (s *Sink) Headers() []http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]http.Header(nil), s.headers...)
}
