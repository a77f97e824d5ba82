package rest

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/rest/health"
)

// stream is a client of GET /events.
type stream struct {
	t  *testing.T
	in *bufio.Reader
}

func listen(t *testing.T, address, lastID string) *stream {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != "text/event-stream" {
		t.Fatalf("got %d %s, want 200 text/event-stream", resp.StatusCode, got)
	}
	s := &stream{t, bufio.NewReader(resp.Body)}
	s.line() // the greeting is there: the stream begins now
	s.line()
	return s
}

func (s *stream) line() string {
	s.t.Helper()
	line, err := s.in.ReadString('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSuffix(line, "\n")
}

// next returns the parts of the next event.
func (s *stream) next() (id, kind, data string) {
	s.t.Helper()
	for {
		line := s.line()
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			data = value
		case "":
			if kind != "" {
				return id, kind, data
			}
		}
	}
}

func TestEvents(t *testing.T) {
	f := newFake(t)
	address := serve(t, Options{Backend: f})
	s := listen(t, address, "")
	next := *f.node.Load()
	next.Instance.Standby, next.Role, next.Rule, next.Reason = true, cluster.RoleReplica, "follow", "db2 leads"
	view := *f.view
	view.Leader = &cluster.Leader{Name: "db2"}
	view.Config.Version++
	next.Cluster, next.Job, next.Settings.Pause = &view, "rewind", true
	f.node.Store(&next)
	var first string
	for _, want := range []struct{ kind, data string }{
		{"role", `"from": "primary", "to": "replica", "rule": "follow", "reason": "db2 leads"}`},
		{"operation", `"from": "", "to": "rewind"`},
		{"pause", `"from": false, "to": true`},
		{"leader", `"from": "db1", "to": "db2"`},
		{"config", `"from": 7, "to": 8`},
	} {
		id, kind, data := s.next()
		if kind != want.kind || !strings.Contains(data, want.data) {
			t.Errorf("got %s %s, want %s %s", kind, data, want.kind, want.data)
		}
		if first == "" {
			first = id
		}
	}
	send(t, "POST", address, "/reload", "")
	if _, kind, data := s.next(); kind != "audit" || !strings.Contains(data, `"path": "/reload"`) || !strings.Contains(data, `"code": 202`) {
		t.Errorf("got %s %s, want the audit record", kind, data)
	}
	again := listen(t, address, first)
	if _, kind, _ := again.next(); kind != "operation" {
		t.Errorf("resumed behind the first event: got %s, want operation", kind)
	}
	foreign := listen(t, address, "other-1")
	if _, kind, _ := foreign.next(); kind != "gap" {
		t.Errorf("id of another run: got %s, want gap", kind)
	}
	if _, kind, _ := foreign.next(); kind != "role" {
		t.Errorf("behind the gap: got %s, want role", kind)
	}
}

func TestEventsAreBounded(t *testing.T) {
	e := newEvents()
	for range 3 * keptEvents {
		e.add("x", &cluster.Object{})
	}
	if len(e.kept) > keptEvents {
		t.Errorf("got %d kept, want at most %d", len(e.kept), keptEvents)
	}
	found, gap, _ := e.after(1)
	if !gap || found[len(found)-1].number != 3*keptEvents {
		t.Errorf("got gap %v, last %d", gap, found[len(found)-1].number)
	}
	if found, gap, _ := e.after(3*keptEvents - 1); gap || len(found) != 1 {
		t.Errorf("got %d events, gap %v, want the last one", len(found), gap)
	}
	for range maxListeners {
		if !e.join(1) {
			t.Fatal("refused below the bound")
		}
	}
	if e.join(1) {
		t.Error("one listener too many")
	}
}

func TestWhatIf(t *testing.T) {
	f := newFake(t)
	f.outcome = decide.Outcome{Leader: "db2", AtRisk: 17, Fates: []decide.Fate{
		{Name: "db2", Leads: true, Rule: "race", Reason: "the lock is free"}, {Name: "db3", Rule: "nofailover", Reason: "the tag nofailover is set"},
	}}
	address := serve(t, Options{Backend: f})
	want := `{"down": ["db1"], "leader": "db2", "bytes_at_risk": 17, "blocked": {"db3": "the tag nofailover is set"}, ` +
		`"members": [{"name": "db2", "leads": true, "rule": "race", "reason": "the lock is free"}, {"name": "db3", "leads": false, "rule": "nofailover", "reason": "the tag nofailover is set"}]}`
	if got := send(t, "GET", address, "/whatif?down=db1", ""); got.code != 200 || got.body != want {
		t.Errorf("got %d %s\nwant %s", got.code, got.body, want)
	}
	for path, code := range map[string]int{"/whatif": 400, "/whatif?down=": 400, "/whatif?down=nobody": 400} {
		if got := send(t, "GET", address, path, ""); got.code != code {
			t.Errorf("%s: got %d, want %d", path, got.code, code)
		}
	}
	f.outcomeErr = errors.New("late")
	if got := send(t, "GET", address, "/whatif?down=db1", ""); got.code != 503 {
		t.Errorf("got %d, want 503", got.code)
	}
}

func TestAgentCheck(t *testing.T) {
	f := newFake(t)
	s := start(t, Options{Backend: f, Settings: Settings{AgentCheck: AgentCheck{Listen: "127.0.0.1:0", Check: "/replica"}}})
	ask := func(send string) string {
		t.Helper()
		return raw(t, s.AgentCheckAddr().String(), send)
	}
	if got := ask(""); got != "down#the role is primary\n" {
		t.Errorf("primary: got %q", got)
	}
	if got := ask("primary\n"); got != "up ready 100%\n" {
		t.Errorf("primary, asked for it: got %q", got)
	}
	s.agent.drained.Store(int64(lease.Now()) - int64(2*readyFor)) // a while passes
	if got := ask("primary\n"); got != "up 100%\n" {
		t.Errorf("primary, later: got %q", got)
	}
	next := *f.node.Load()
	next.Role, next.LeaseUntil, next.Instance.Standby = cluster.RoleReplica, 0, true
	next.Instance.ReplayLSN, next.Instance.LatestEndLSN = 1<<30, 1<<30+512<<10
	f.node.Store(&next)
	if got := ask(""); got != "up 51%\n" {
		t.Errorf("half of 1 MiB behind: got %q", got)
	}
	tagged := next
	o := &cluster.Object{}
	o.Set("noloadbalance", true)
	tagged.Tags = cluster.NewTags(o)
	f.node.Store(&tagged)
	if got := ask(""); got != "drain\n" {
		t.Errorf("noloadbalance: got %q", got)
	}
	f.node.Store(&next)
	if got := ask(""); got != "up ready 51%\n" {
		t.Errorf("after the drain: got %q", got)
	}
}

func TestWeight(t *testing.T) {
	for _, c := range []struct{ lag, limit, fallback, want int64 }{
		{0, 100, 1, 100}, {50, 100, 1, 51}, {99, 100, 1, 2}, {100, 100, 1, 1}, {1 << 40, 100, 1, 1}, {0, 0, 0, 100}, {1, 0, 0, 1}, {10, 0, 100, 91},
	} {
		if got := weight(c.lag, c.limit, c.fallback); int64(got) != c.want {
			t.Errorf("lag %d of %d/%d: got %d, want %d", c.lag, c.limit, c.fallback, got, c.want)
		}
	}
}

func TestReasons(t *testing.T) {
	f := newFake(t)
	address := serve(t, Options{Backend: f})
	want := func(path, reason string) {
		t.Helper()
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			if got := send(t, method, address, path, "").header.Get(ReasonHeader); got != reason {
				t.Errorf("%s %s: got %q, want %q", method, path, got, reason)
			}
		}
	}
	want("/primary", "")
	want("/replica", "the role is primary")
	want("/replica?tag_zone=a%0d%0aX:%20y", "the role is primary")
	want("/read-only?tag_zone=a%0d%0aX:%20y", "the tag zone is not a  X: y")
	want("/standby-leader", "this is not a standby cluster")
	want("/nothing", "there is no such check")
	next := *f.node.Load()
	next.LeaseUntil, next.Instance.Ready, next.Instance.Err = 1, false, "no answer within 2 s"
	next.LoopUntil = 1
	f.node.Store(&next)
	want("/primary", "the lease on the leader lock has run out")
	want("/health", "PostgreSQL is in state unknown: no answer within 2 s")
	want("/readiness", "PostgreSQL is in state unknown: no answer within 2 s")
	want("/liveness", "the agent's loop is late")
	want("/sync", "PostgreSQL is in state unknown: no answer within 2 s")
}

// Every answer other than 200 has a reason, whatever the node is like.
func TestEveryRefusalHasAReason(t *testing.T) {
	f := newFake(t)
	base := *f.node.Load()
	var nodes []*cluster.NodeStatus
	for bits := range 1 << 8 {
		n := base
		set := func(bit int, f func()) {
			if bits&(1<<bit) != 0 {
				f()
			}
		}
		set(0, func() { n.LeaseUntil = 0 })
		set(1, func() { n.Cluster = nil })
		set(2, func() { n.Instance.Standby, n.Role = true, cluster.RoleReplica })
		set(3, func() { n.Instance.Ready = false })
		set(4, func() { n.Settings.Pause = true })
		set(5, func() { n.Promoting = true })
		set(6, func() { n.Settings.SynchronousMode = "on" })
		set(7, func() { n.Instance.ReplicationState = "streaming" })
		nodes = append(nodes, &n)
	}
	now := lease.Now()
	for i, n := range nodes {
		for _, path := range append(health.Aliases(), "/nothing") {
			for _, query := range []string{"", "lag=1", "tag_a=b"} {
				if code, reason := health.Explain(n, now, path, query); (code == 200) != (reason == "") || code != health.Check(n, now, path, query) {
					t.Errorf("node %08b %s?%s: got %d %q", i, path, query, code, reason)
				}
			}
		}
		if code, reason := health.ExplainReadiness(n, now, ""); (code == 200) != (reason == "") {
			t.Errorf("node %08b /readiness: got %d %q", i, code, reason)
		}
	}
}

func TestListenersEndWithTheServer(t *testing.T) {
	f := newFake(t)
	s := start(t, Options{Backend: f})
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = c.Write([]byte("GET /events HTTP/1.0\r\n\r\n"))
	eventually(t, func() bool { s.events.mu.Lock(); defer s.events.mu.Unlock(); return s.events.listeners == 1 })
	_ = c.Close()
	eventually(t, func() bool { s.events.mu.Lock(); defer s.events.mu.Unlock(); return s.events.listeners == 0 })
	_ = listen(t, s.Addr().String(), "") // ends with the server, or the clean-up would hang
}
