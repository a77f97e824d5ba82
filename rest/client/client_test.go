package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

func TestParseStatus(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want Peer
		err  string
	}{
		"primary":             {`{"state": "running", "role": "primary", "xlog": {"location": 100}, "timeline": 4}`, Peer{State: "running", Role: "primary", Primary: true, Position: 100, Timeline: 4, FailoverPriority: 1}, ""},
		"primary, old word":   {`{"role": "master", "xlog": {"location": 0}}`, Peer{Role: "master", Primary: true, FailoverPriority: 1}, ""},
		"position betrays it": {`{"role": "replica", "xlog": {"location": 7}}`, Peer{Role: "replica", Primary: true, Position: 7, FailoverPriority: 1}, ""},
		"standby, received":   {`{"role": "replica", "xlog": {"received_location": 9, "replayed_location": 8}, "timeline": null}`, Peer{Role: "replica", Position: 9, FailoverPriority: 1}, ""},
		"standby, replayed":   {`{"role": "replica", "xlog": {"received_location": 0, "replayed_location": 18446744073}}`, Peer{Role: "replica", Position: 18446744073, FailoverPriority: 1}, ""},
		"wal instead of xlog": {`{"wal": {"replayed_location": 8}}`, Peer{Position: 8, FailoverPriority: 1}, ""},
		"nofailover":          {`{"xlog": {}, "tags": {"nofailover": true}}`, Peer{NoFailover: true}, ""},
		"priority":            {`{"xlog": {}, "tags": {"failover_priority": "3"}}`, Peer{FailoverPriority: 3}, ""},
		"priority 0":          {`{"xlog": {}, "tags": {"failover_priority": 0}}`, Peer{NoFailover: true}, ""},
		"watchdog":            {`{"xlog": {}, "watchdog_failed": true}`, Peer{WatchdogFailed: true, FailoverPriority: 1}, ""},
		"PostgreSQL down":     {`{"state": "stopped", "role": "replica"}`, Peer{}, "no WAL position"},
		"not JSON":            {`<html>`, Peer{}, "read status"},
		"of this cluster":     {`{"xlog": {}, "patroni": {"scope": "shop"}}`, Peer{FailoverPriority: 1}, ""},
		"without a scope":     {`{"xlog": {}, "patroni": {"version": "1.0"}}`, Peer{FailoverPriority: 1}, ""},
		"of another cluster":  {`{"role": "primary", "xlog": {"location": 9}, "patroni": {"scope": "bank"}}`, Peer{}, `it is of cluster "bank", not of "shop"`},
		"array":               {`[]`, Peer{}, "not a JSON object"},
	} {
		got, err := parseStatus([]byte(c.text), "shop")
		if c.err == "" {
			c.want.Reachable = true
		}
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %+v, %v; want %+v, %q", name, got, err, c.want, c.err)
		}
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add([]byte(`{"xlog": {"location": 1}, "tags": {"nofailover": 1}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := parseStatus(text, "shop"); err != nil && p.Reachable {
			t.Errorf("%q: reachable in spite of %v", text, err)
		}
	})
}

func member(name, apiURL string) cluster.Member {
	return cluster.Member{Name: name, Data: cluster.MemberData{APIURL: apiURL}}
}

// agent is a server with one handler.
func agent(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/prefix/patroni"
}

func TestAsk(t *testing.T) {
	release := make(chan struct{})
	up := agent(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/prefix/patroni" {
			t.Errorf("got path %s, want api_url as it is", r.URL.Path)
		}
		w.WriteHeader(http.StatusServiceUnavailable) // does not count
		_, _ = io.WriteString(w, `{"xlog": {"replayed_location": 5}}`)
	})
	hung := agent(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) }) // before that agent is closed
	moved := agent(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, up, http.StatusFound) })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + closed.Addr().String() + "/patroni"
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	c := New(Options{})
	t.Cleanup(c.Close)
	begin := time.Now()
	got := c.Ask(t.Context(), []cluster.Member{member("up", up), member("hung", hung), member("refused", refused), member("none", ""), member("moved", moved)})
	if took := time.Since(begin); took > 2*askLimit {
		t.Errorf("took %v, want about %v", took, askLimit)
	}
	for i, want := range []struct {
		name, err string
		reachable bool
	}{
		{"up", "", true},
		{"hung", "no answer within 1s", false},
		{"refused", "connection refused", false},
		{"none", "not an http address", false},
		{"moved", "read status", false},
	} {
		if p := got[i]; p.Name != want.name || p.Reachable != want.reachable || !strings.Contains(p.Err, want.err) {
			t.Errorf("got %+v, want %+v", p, want)
		}
	}
	begin = time.Now()
	c.Ask(t.Context(), []cluster.Member{member("refused", refused)})
	if took := time.Since(begin); took > askLimit/2 {
		t.Errorf("a refused connection took %v, want an answer at once", took)
	}
}

func TestAlive(t *testing.T) {
	c := New(Options{})
	t.Cleanup(c.Close)
	ours := agent(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/liveness" {
			t.Errorf("got path %s, want /liveness", r.URL.Path)
		}
		w.Header().Set(instanceHeader, "i-1")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	other := agent(t, http.NotFound)
	for _, x := range []struct {
		url   string
		alive bool
		id    string
	}{{ours, true, "i-1"}, {other, true, ""}, {"http://127.0.0.1:1/patroni", false, ""}, {"nonsense", false, ""}} {
		if alive, id := c.Alive(t.Context(), x.url); alive != x.alive || id != x.id {
			t.Errorf("%s: got %v %q, want %v %q", x.url, alive, id, x.alive, x.id)
		}
	}
}

func TestOrders(t *testing.T) {
	type seen struct{ method, path, body, user, trace string }
	var got seen
	reply := `{"a": 1}`
	url := agent(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		got = seen{r.Method, r.URL.Path, string(body), user + password, r.Header.Get("traceparent")}
		_, _ = io.WriteString(w, reply)
	})
	c := New(Options{Username: "u", Password: "p"})
	t.Cleanup(c.Close)
	ctx := t.Context()
	patch, _ := cluster.ParseObject([]byte(`{"pause": null}`))
	for name, x := range map[string]struct {
		call func() (any, error)
		want seen
	}{
		"switchover": {func() (any, error) {
			return c.Switchover(ctx, url, Handover{Leader: "a", Candidate: "b", ScheduledAt: "s", TraceParent: "t"})
		}, seen{"POST", "/switchover", `{"leader":"a","candidate":"b","scheduled_at":"s"}`, "up", "t"}},
		"failover":          {func() (any, error) { return c.Failover(ctx, url, Handover{Candidate: "b"}) }, seen{"POST", "/failover", `{"candidate":"b"}`, "up", ""}},
		"cancel switchover": {func() (any, error) { return c.CancelSwitchover(ctx, url) }, seen{"DELETE", "/switchover", "", "up", ""}},
		"restart": {func() (any, error) {
			return c.Restart(ctx, url, Restart{Role: "replica", PostgresVersion: "16.5", Pending: true, Timeout: time.Minute})
		}, seen{"POST", "/restart", `{"role":"replica","postgres_version":"16.5","restart_pending":true,"timeout":60}`, "up", ""}},
		"plain restart": {func() (any, error) { return c.Restart(ctx, url, Restart{}) }, seen{"POST", "/restart", `{}`, "up", ""}},
		"reinitialize":  {func() (any, error) { return c.Reinitialize(ctx, url, true, false) }, seen{"POST", "/reinitialize", `{"force":true,"from_leader":false}`, "up", ""}},
		"reload":        {func() (any, error) { return c.Reload(ctx, url) }, seen{"POST", "/reload", "", "up", ""}},
		"get config":    {func() (any, error) { return c.GetConfig(ctx, url) }, seen{"GET", "/config", "", "", ""}},
		"patch config":  {func() (any, error) { return c.PatchConfig(ctx, url, patch) }, seen{"PATCH", "/config", `{"pause":null}`, "up", ""}},
		"cluster":       {func() (any, error) { return c.Cluster(ctx, url) }, seen{"GET", "/cluster", "", "", ""}},
	} {
		answer, err := x.call()
		if err != nil || got != x.want {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, x.want)
		}
		switch a := answer.(type) {
		case Reply:
			if !a.OK() || a.Text != reply {
				t.Errorf("%s: got %+v, want %q", name, a, reply)
			}
		case *cluster.Object:
			if a.String() != `{"a":1}` {
				t.Errorf("%s: got %s, want %s", name, a, reply)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	url := agent(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "restart already in progress")
	})
	c := New(Options{})
	t.Cleanup(c.Close)
	if r, err := c.Reinitialize(t.Context(), url, false, false); err != nil || !r.Busy() || r.OK() {
		t.Errorf("got %+v, %v; want busy", r, err)
	}
	_, err := c.GetConfig(t.Context(), url)
	if se, ok := errors.AsType[*StatusError](err); !ok || se.Code != 503 {
		t.Errorf("got %v, want a StatusError with 503", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("operator gave up"))
	if _, err := c.Cluster(ctx, url); err == nil || !strings.Contains(err.Error(), "operator gave up") {
		t.Errorf("got %v, want the cause of the cancellation", err)
	}
}

func TestEndpoint(t *testing.T) {
	for in, want := range map[string]string{
		"http://h:8008/patroni":      "http://h:8008/x",
		"https://[::1]:8008/a/b?c#d": "https://[::1]:8008/x",
		"http://u:p@h/patroni":       "http://h/x",
		"ftp://h/":                   "", "": "", "h:8008": "", "http:///patroni": "", "http://%zz": "",
	} {
		got, err := endpoint(in, "/x")
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
}
