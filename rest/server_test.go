package rest

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

func TestRouting(t *testing.T) {
	address := serve(t, Options{Backend: newFake(t)})
	for _, c := range []struct {
		method, path string
		code         int
		kind         string // "": empty body, "doc": status document, else a part of the body
	}{
		{"GET", "/", 200, "doc"},
		{"HEAD", "/", 200, ""},
		{"OPTIONS", "/", 200, ""},
		{"GET", "/primary", 200, "doc"},
		{"OPTIONS", "/master", 200, ""},
		{"GET", "/replica", 503, "doc"},
		{"HEAD", "/replica", 503, ""},
		{"GET", "/foo-primary", 200, "doc"},
		{"GET", "/healthz", 200, "doc"},
		{"GET", "//primary", 200, "doc"},
		{"GET", "/primary/x?lag=1#f", 200, "doc"},
		{"GET", "/%70rimary", 503, "doc"},
		{"GET", "/Primary", 503, "doc"},
		{"GET", "/foo", 503, "doc"},
		{"GET", "/reload", 503, "doc"},
		{"GET", "/metrics", 503, "doc"},
		{"GET", "/patroni", 200, "doc"},
		{"GET", "/patroni/x", 200, "doc"},
		{"GET", "/patroni/", 200, "doc"},
		{"HEAD", "/patroni", 503, ""},
		{"OPTIONS", "/cluster", 503, ""},
		{"GET", "/liveness", 200, ""},
		{"HEAD", "/liveness", 200, ""},
		{"GET", "/readiness", 200, ""},
		{"GET", "/cluster/x", 200, `{"members": [{"name": "db1", "role": "leader", `},
		{"GET", "/history", 200, "[]"},
		{"GET", "/config", 200, `{"loop_wait": 10, "ttl": 30}`},
		{"GET", "/failsafe", 502, "Error code: 502"},
		{"POST", "/primary", 501, "Server does not support this operation"},
		{"POST", "/patroni", 501, "Server does not support this operation"},
		{"DELETE", "/config", 501, "Server does not support this operation"},
		{"DELETE", "/reinitialize", 501, "Server does not support this operation"},
		{"get", "/primary", 501, "Server does not support this operation"},
	} {
		got := send(t, c.method, address, c.path, "")
		if got.code != c.code {
			t.Errorf("%s %s: got %d, want %d", c.method, c.path, got.code, c.code)
		}
		switch c.kind {
		case "":
			if got.body != "" {
				t.Errorf("%s %s: got body %q, want none", c.method, c.path, got.body)
			}
		case "doc":
			if !strings.HasPrefix(got.body, `{"state": "running", `) || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %s: got %s %q, want the status document", c.method, c.path, got.header.Get("Content-Type"), got.body)
			}
		default:
			if !strings.Contains(got.body, c.kind) {
				t.Errorf("%s %s: got %q, want %q in it", c.method, c.path, got.body, c.kind)
			}
		}
	}
}

func TestEverythingElseDown(t *testing.T) {
	f := newFake(t)
	f.node.Store(nil)
	f.down = cluster.ErrUnreachable
	address := serve(t, Options{Backend: f})
	for _, c := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/liveness", "", 200, ""},
		{"GET", "/readiness", "", 503, ""},
		{"GET", "/primary", "", 503, `"state": "unknown"`},
		{"GET", "/patroni", "", 200, `"state": "unknown"`},
		{"GET", "/cluster", "", 503, "store unreachable"},
		{"GET", "/history", "", 503, "store unreachable"},
		{"GET", "/config", "", 503, "store unreachable"},
		{"GET", "/failsafe", "", 503, "store unreachable"},
		{"PATCH", "/config", `{"ttl": 1}`, 503, "store unreachable"},
		{"PUT", "/config", `{"ttl": 1}`, 503, "store unreachable"},
		{"POST", "/switchover", `{"leader": "db1"}`, 503, "store unreachable"},
		{"DELETE", "/switchover", "", 503, "store unreachable"},
		{"POST", "/reinitialize", "", 503, "store unreachable"},
		{"POST", "/restart", "", 200, "restarted successfully"},
		{"POST", "/reload", "", 202, "reload scheduled"},
	} {
		got := send(t, c.method, address, c.path, c.body)
		if got.code != c.code || !strings.Contains(got.body, c.want) {
			t.Errorf("%s %s: got %d %q, want %d %q", c.method, c.path, got.code, got.body, c.code, c.want)
		}
	}
}

func TestLivenessTellsTheInstance(t *testing.T) {
	address := serve(t, Options{Backend: newFake(t)})
	if got := send(t, "GET", address, "/liveness", "").header.Get(InstanceHeader); got != "i-1" {
		t.Errorf("got %q, want i-1", got)
	}
}

func TestDocumentFollowsTheStatus(t *testing.T) {
	f := newFake(t)
	address := serve(t, Options{Backend: f})
	first := send(t, "GET", address, "/primary", "").body
	if again := send(t, "GET", address, "/primary", "").body; again != first {
		t.Errorf("got %q, want %q", again, first)
	}
	next := *f.node.Load()
	next.Instance.Timeline = 2
	f.node.Store(&next)
	if got := send(t, "GET", address, "/primary", "").body; !strings.Contains(got, `"timeline": 2`) {
		t.Errorf("got %q, want timeline 2", got)
	}
	if f.observed.Load() != 0 {
		t.Error("a health check observed PostgreSQL")
	}
	send(t, "GET", address, "/patroni", "")
	if f.observed.Load() != 1 {
		t.Error("GET /patroni did not observe PostgreSQL")
	}
}

func TestLeaseRunsOutBetweenRequests(t *testing.T) {
	f := newFake(t)
	address := serve(t, Options{Backend: f})
	if got := send(t, "GET", address, "/primary", "").code; got != 200 {
		t.Fatalf("got %d, want 200", got)
	}
	next := *f.node.Load()
	next.LeaseUntil = 1
	f.node.Store(&next)
	if got := send(t, "GET", address, "/primary", "").code; got != 503 {
		t.Errorf("got %d, want 503", got)
	}
}

func TestAuthentication(t *testing.T) {
	f := newFake(t)
	address := serve(t, Options{Backend: f, Settings: Settings{Username: "admin", Password: "s:cret"}})
	const good = "Basic YWRtaW46czpjcmV0"
	for _, c := range []struct {
		header, text string
		code         int
	}{
		{"", "no auth header received", 401},
		{"Basic " + "YWRtaW46", "not authenticated", 401},
		{"basic YWRtaW46czpjcmV0", "not authenticated", 401},
		{"Bearer x", "not authenticated", 401},
		{good, "reload scheduled", 202},
	} {
		var header []string
		if c.header != "" {
			header = []string{"Authorization", c.header}
		}
		got := send(t, "POST", address, "/reload", "", header...)
		if got.code != c.code || got.body != c.text {
			t.Errorf("%q: got %d %q, want %d %q", c.header, got.code, got.body, c.code, c.text)
		}
		if want := `Basic realm="Patroni"`; c.code == 401 && got.header.Get("WWW-Authenticate") != want {
			t.Errorf("%q: got %q, want %q", c.header, got.header.Get("WWW-Authenticate"), want)
		}
	}
	if got := f.reloads.Load(); got != 1 {
		t.Errorf("got %d reloads, want 1", got)
	}
	for _, c := range []struct{ method, path string }{
		{"PATCH", "/config"},
		{"PUT", "/config"},
		{"POST", "/switchover"},
		{"DELETE", "/switchover"},
		{"POST", "/failover"},
		{"POST", "/restart"},
		{"DELETE", "/restart"},
		{"POST", "/reinitialize"},
	} {
		if got := send(t, c.method, address, c.path, "not JSON"); got.code != 401 {
			t.Errorf("%s %s: got %d, want 401", c.method, c.path, got.code)
		}
	}
	for _, path := range []string{"/config", "/cluster", "/history", "/patroni", "/liveness"} {
		if got := send(t, "GET", address, path, ""); got.code != 200 {
			t.Errorf("GET %s: got %d, want 200", path, got.code)
		}
	}
	if got := send(t, "POST", address, "/primary", ""); got.code != 501 {
		t.Errorf("POST /primary: got %d, want 501", got.code)
	}
}

func TestListenNamesTheSettingAndThePort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	err = New(Options{Settings: Settings{Listen: taken.Addr().String()}, Backend: newFake(t)}).Listen()
	if err == nil || !strings.Contains(err.Error(), "restapi.listen") || !strings.Contains(err.Error(), "port "+port+" is used") {
		t.Errorf("got %v, want restapi.listen and port %s in it", err, port)
	}
	if err := New(Options{Settings: Settings{Listen: "8008"}, Backend: newFake(t)}).Listen(); err == nil || !strings.Contains(err.Error(), "restapi.listen") {
		t.Errorf("got %v, want restapi.listen in it", err)
	}
	all := New(Options{Settings: Settings{Listen: "*:0"}, Backend: newFake(t)})
	if err := all.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := all.listener.Close(); err != nil {
		t.Error(err)
	}
}

func TestMetricsAndPanic(t *testing.T) {
	calls := 0
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls > 1 {
			panic("boom")
		}
		_, _ = w.Write([]byte("patroni_version 040104\n"))
	})
	address := serve(t, Options{Backend: newFake(t), Metrics: metrics})
	if got := send(t, "GET", address, "/metrics", ""); got.code != 200 || got.body != "patroni_version 040104\n" {
		t.Errorf("got %d %q, want the metrics", got.code, got.body)
	}
	if got := send(t, "GET", address, "/metrics", ""); got.code != 500 || got.body != "internal error" {
		t.Errorf("got %d %q, want 500 internal error", got.code, got.body)
	}
}

func TestServeEndsWhileARequestWaits(t *testing.T) {
	f := newFake(t)
	s := New(Options{Settings: Settings{Listen: "127.0.0.1:0"}, Backend: f})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	got := make(chan answer, 1)
	go func() { got <- send(t, "POST", s.Addr().String(), "/switchover", `{"leader": "db1"}`) }()
	eventually(t, func() bool { return f.wakes.Load() > 0 })
	stop()
	if a := <-got; a.code != 503 || a.body != "Switchover status unknown" {
		t.Errorf("got %d %q, want 503 Switchover status unknown", a.code, a.body)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatal("condition was not met within 60 s")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
