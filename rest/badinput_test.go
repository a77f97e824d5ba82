package rest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// strict is a fake that fails the test when something is changed.
func strict(t testing.TB) *fakeAgent {
	f := newFake(t)
	f.restart = func(RestartRequest) error { t.Error("PostgreSQL was restarted"); return nil }
	f.reinit = func(bool, bool) error { t.Error("the data directory was replaced"); return nil }
	f.schedule = func(RestartRequest) error { t.Error("a restart was scheduled"); return nil }
	f.failsafe = func(FailsafeRequest) (FailsafeGrant, error) {
		t.Error("a promise was given")
		return FailsafeGrant{}, nil
	}
	next := *f.node.Load()
	next.Name = "db2" // not the leader, so that a reinitialization would go
	next.Settings.FailsafeMode = true
	f.node.Store(&next)
	return f
}

// unchanged fails the test if the store has other values than at first.
func (f *fakeAgent) unchanged(t testing.TB, what string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if got := f.view.Config.Object.String(); got != `{"loop_wait":10,"ttl":30}` || f.view.Config.Version != 7 || f.view.Failover.Exists {
		t.Errorf("%s: the store was changed: %s, failover %+v", what, got, f.view.Failover)
	}
}

func TestBadInput(t *testing.T) {
	f := strict(t)
	address := serve(t, Options{Backend: f})
	long := `{"ttl": "` + strings.Repeat("x", 10<<20) + `"}`
	deep := strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000)
	rows := []struct {
		method, path, body string
		code               int
		want               string // in the body
	}{
		{"POST", "/switchover", `{"leader": 1}`, 400, "leader must be a string"},
		{"POST", "/switchover", `{"leader": "db1", "candidate": ["db2"]}`, 400, "candidate must be a string"},
		{"POST", "/switchover", `{"leader": "db1", "member": {}}`, 400, "member must be a string"},
		{"POST", "/switchover", `{"leader": "db1", "scheduled_at": 5}`, 422, "Unable to parse scheduled timestamp"},
		{"POST", "/switchover", `{"leader": "db1", "scheduled_at": "2030-13-01T00:00Z"}`, 422, "Unable to parse scheduled timestamp"},
		{"POST", "/switchover", `{"leader": "db1", "scheduled_at": "2030-01-01T00:00"}`, 400, "Timezone information is mandatory"},
		{"POST", "/switchover", `{"leader": "db1", "scheduled_at": "1999-01-01T00:00Z"}`, 422, "in the past"},
		{"POST", "/switchover", `{"leader": "db1"`, 400, "not JSON"},
		{"POST", "/switchover", `{"leader": "db1"} x`, 400, "not JSON"},
		{"POST", "/switchover", `"db1"`, 400, "not a JSON object"},
		{"POST", "/switchover", `{}`, 400, "at least one key"},
		{"POST", "/switchover", `{"leader": "../db1"}`, 412, "leader name does not match"},
		{"POST", "/failover", `{"candidate": true}`, 400, "candidate must be a string"},
		{"POST", "/failover", `{"candidate": "a\u0000b"}`, 412, "candidate does not exists"},
		{"POST", "/failover", `{"candidate": "db2", "scheduled_at": "2099-01-01T00:00Z"}`, 400, "Failover can't be scheduled"},
		{"POST", "/restart", `{"schedule": null}`, 422, "Unable to parse scheduled timestamp"},
		{"POST", "/restart", `{"schedule": "tomorrow"}`, 422, "Unable to parse scheduled timestamp"},
		{"POST", "/restart", `{"role": 1}`, 400, "PostgreSQL role should be"},
		{"POST", "/restart", `{"postgres_version": 15}`, 400, "Invalid PostgreSQL version: 15"},
		{"POST", "/restart", `{"postgres_version": "15"}`, 400, "Invalid PostgreSQL version format"},
		{"POST", "/restart", `{"postgres_version": "-1.2"}`, 400, "Invalid PostgreSQL version"},
		{"POST", "/restart", `{"timeout": 0}`, 400, "Timeout should be a positive number"},
		{"POST", "/restart", `{"timeout": "1e400"}`, 400, "Timeout should be a positive number"},
		{"POST", "/restart", `{"timeout": [1]}`, 400, "Timeout should be a positive number"},
		{"POST", "/restart", `{"rolle": "primary"}`, 400, "Unknown filter for the scheduled restart: rolle"},
		{"POST", "/restart", `{`, 400, "not JSON"},
		{"POST", "/reinitialize", `[true]`, 400, "not a JSON object"},
		{"POST", "/reinitialize", `nonsense`, 400, "not JSON"},
		{"POST", "/failsafe", `{"name": "a", "conn_url": "b"}`, 400, "api_url is required"},
		{"POST", "/failsafe", `{"name": 1, "conn_url": "b", "api_url": "c"}`, 400, "name must be a string"},
		{"PATCH", "/config", `{}`, 400, "at least one key"},
		{"PATCH", "/config", `{"ttl": NaN}`, 400, "not JSON"},
		{"PATCH", "/config", `[1]`, 400, "not a JSON object"},
		{"PATCH", "/config", long, 413, "too large"},
		{"PATCH", "/config", deep, 400, "not JSON"},
		{"PUT", "/config", `null`, 400, "not a JSON object"},
		{"PUT", "/config", "{\"a\": \"\x80\", }", 400, "not JSON"},
		{"POST", "/citus", `{}`, 400, "at least one key"},
		{"POST", "/nowhere", `{}`, 501, "does not support"},
		{"PUT", "/switchover", `{"leader": "db1"}`, 501, "does not support"},
		{"DELETE", "/failover", ``, 501, "does not support"},
		{"TRACE", "/config", ``, 501, "does not support"},
		{"POST", "/config", `{"ttl": 1}`, 501, "does not support"},
		{"GET", "/whatif?down=%00", ``, 400, "there is no member"},
		{"GET", "/../../etc/passwd", ``, 503, "state"},
		{"GET", "/..%2f..%2fetc%2fpasswd", ``, 503, "state"},
		{"POST", "/./switchover", `{"leader": "db1"}`, 501, "does not support"},
		{"POST", "/config/../switchover", `{"leader": "db1"}`, 501, "does not support"},
		{"POST", "//switchover", `{"leader": "nobody"}`, 412, "leader name does not match"},
	}
	for _, c := range rows {
		got := send(t, c.method, address, c.path, c.body)
		body := c.body[:min(len(c.body), 60)]
		if got.code != c.code || !strings.Contains(got.body, c.want) {
			t.Errorf("%s %s %s: got %d %.200q, want %d %q", c.method, c.path, body, got.code, got.body, c.code, c.want)
		}
		f.unchanged(t, c.method+" "+c.path+" "+body)
	}
}

func TestBadHeads(t *testing.T) {
	f := strict(t)
	address := serve(t, Options{Backend: f})
	for name, c := range map[string]struct{ send, want string }{
		"head of 100 KiB":              {"GET /primary HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 100<<10) + "\r\n\r\n", "HTTP/1.1 431 "},
		"two lengths":                  {"PATCH /config HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nContent-Length: 10\r\n\r\n{\"ttl\":3} ", "HTTP/1.1 400 "},
		"length and chunks":            {"PATCH /config HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "HTTP/1.1 400 "},
		"unknown coding":               {"PATCH /config HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 501 "},
		"version 3":                    {"GET / HTTP/3.0\r\n\r\n", "HTTP/1.1 505 "},
		"blank in a header's name":     {"GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", "HTTP/1.1 400 "},
		"two hosts":                    {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "HTTP/1.1 400 "},
		"control character in a value": {"GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n", "HTTP/1.1 400 "},
		"binary":                       {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\n", "HTTP/1.1 400 "},
	} {
		if got := raw(t, address, c.send); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %.100q, want %q", name, got, c.want)
		}
		f.unchanged(t, name)
	}
}

// TestSlowHeads: what does not end its head is dropped, and holds up nobody.
func TestSlowHeads(t *testing.T) {
	s := start(t, Options{Backend: newFake(t)}, func(s *Server) { s.http.ReadHeaderTimeout = 500 * time.Millisecond })
	address := s.Addr().String()
	var slow []net.Conn
	for range 200 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_, _ = io.WriteString(c, "GET /primary HTTP/1.1\r\nX: ")
		slow = append(slow, c)
	}
	for range 50 {
		if got := send(t, "HEAD", address, "/primary", ""); got.code != 200 {
			t.Fatalf("got %d beside slow clients, want 200", got.code)
		}
	}
	for _, c := range slow {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Fatalf("a slow client is not dropped: %v", err)
		}
	}
}

// FuzzHandlers sends anything to anything, beside the network. No answer may
// be missing, none may be a 500, and the codes are those of /openapi.json.
func FuzzHandlers(f *testing.F) {
	for _, seed := range []struct{ method, path, body string }{
		{"POST", "/switchover", `{"leader": "db1", "scheduled_at": "2099-01-01T00:00Z"}`},
		{"POST", "/restart", `{"role": "primary", "timeout": "2min", "postgres_version": "16.1"}`},
		{"PATCH", "/config", `{"ttl": null, "a": {"b": [1]}}`},
		{"PUT", "/config", `{"ttl": 1e99}`},
		{"GET", "/replica?lag=1.5MB&tag_a=%20", ``},
		{"GET", "/readiness?mode=write", ``},
		{"POST", "/failsafe", `{"name": "a", "conn_url": "b", "api_url": "c", "slots": {"a": -1}}`},
		{"DELETE", "/switchover", ``},
		{"GET", "/whatif?down=db1", ``},
	} {
		f.Add(seed.method, seed.path, []byte(seed.body))
	}
	s := New(Options{Backend: quickAgent{newFake(f)}})
	f.Fuzz(func(t *testing.T, method, path string, body []byte) {
		if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "/events") || method == "" || strings.ContainsAny(path+method, " \r\n\x00") {
			return // no request line, or an answer without end
		}
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		r := httptest.NewRequest("GET", "/", bytes.NewReader(body)).WithContext(ctx)
		r.Method, r.RequestURI = method, path
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code < 200 || w.Code == http.StatusInternalServerError && w.Body.String() == "internal error" {
			t.Errorf("%s %s %q: got %d %s", method, path, body, w.Code, w.Body)
		}
		if len(path) < 200 && w.Code != http.StatusNotFound {
			checkDocumented(t, method, path, w.Code)
		}
	})
}

// quickAgent waits for nothing.
type quickAgent struct{ *fakeAgent }

func (quickAgent) WaitCluster(context.Context, func(*cluster.Cluster) bool) (*cluster.Cluster, error) {
	return nil, context.DeadlineExceeded
}

func (quickAgent) ScheduleRestart(context.Context, RestartRequest) error { return ErrScheduled }
func (quickAgent) Failsafe(context.Context, FailsafeRequest) (FailsafeGrant, error) {
	return FailsafeGrant{}, ErrLeading
}
