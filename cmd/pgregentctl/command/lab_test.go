package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/zkdcs/zktest"
)

// lab is a ZooKeeper with the keys of prepared clusters and a server that
// answers for all their agents.
type lab struct {
	t      *testing.T
	zk     *zktest.Server
	conn   *zk.Conn
	agents *httptest.Server
	config string

	mu       sync.Mutex
	answers  map[string]answer // by "METHOD /path"
	requests []string
}

type answer struct {
	code int
	text string
	// then is done before the answer; hang answers nothing at all.
	then func()
	hang bool
	// trace confirms the trace of the call, as our agents do.
	trace bool
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, zk: shared, answers: map[string]answer{}}
	conn, _, err := zk.Connect([]string{l.zk.Addr()}, 5*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	l.conn = conn
	l.agents = httptest.NewServer(http.HandlerFunc(l.serve))
	t.Cleanup(l.agents.Close)
	l.config = filepath.Join(t.TempDir(), "ctl.yml")
	text := "scope: shop\nzookeeper:\n  hosts: ['" + l.zk.Addr() + "']\nctl: {auth: 'ops:secret'}\n"
	if err := os.WriteFile(l.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *lab) serve(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	l.mu.Lock()
	user, password, _ := r.BasicAuth()
	key := r.Method + " " + r.URL.Path
	a, ok := l.answers[key]
	if r.Method != http.MethodGet {
		l.requests = append(l.requests, strings.TrimSpace(key+" "+string(text)))
	}
	l.mu.Unlock()
	switch {
	case a.then != nil:
		a.then()
	}
	if parts := strings.Split(r.Header.Get("Traceparent"), "-"); a.trace && len(parts) == 4 {
		w.Header().Set(traceHeader, parts[1])
	}
	switch {
	case a.hang:
		panic(http.ErrAbortHandler)
	case r.Method != http.MethodGet && (user != "ops" || password != "secret"):
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "not authenticated")
	case !ok:
		w.WriteHeader(http.StatusNotImplemented)
		_, _ = io.WriteString(w, "no answer is prepared for "+key)
	default:
		w.WriteHeader(a.code)
		_, _ = io.WriteString(w, a.text)
	}
}

// seed writes the prepared clusters anew.
func (l *lab) seed() {
	l.t.Helper()
	l.drop("/service")
	api := l.agents.URL + "/patroni"
	for path, text := range seeds {
		l.put("/service/"+path, strings.ReplaceAll(text, "API", api))
	}
	l.mu.Lock()
	l.requests = nil
	l.mu.Unlock()
}

func (l *lab) put(path, text string) {
	l.t.Helper()
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			if _, err := l.conn.Create(path[:i], nil, 0, zk.WorldACL(zk.PermAll)); err != nil && !errors.Is(err, zk.ErrNodeExists) {
				l.t.Fatal(err)
			}
		}
	}
	_, err := l.conn.Create(path, []byte(text), 0, zk.WorldACL(zk.PermAll))
	if errors.Is(err, zk.ErrNodeExists) {
		_, err = l.conn.Set(path, []byte(text), -1)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// get is the value of a key, "(gone)" if there is none.
func (l *lab) get(path string) string {
	l.t.Helper()
	text, _, err := l.conn.Get(path)
	if errors.Is(err, zk.ErrNoNode) {
		return "(gone)"
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return string(text)
}

func (l *lab) drop(path string) {
	l.t.Helper()
	names, _, err := l.conn.Children(path)
	if errors.Is(err, zk.ErrNoNode) {
		return
	}
	if err != nil {
		l.t.Fatal(err)
	}
	for _, name := range names {
		l.drop(path + "/" + name)
	}
	if err := l.conn.Delete(path, -1); err != nil {
		l.t.Fatal(err)
	}
}

// clock is the time of all runs.
func clock() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC) }

// run is our tool.
func (l *lab) run(ctx context.Context, stdin string, args ...string) (out, errs string, code int) {
	var o, e bytes.Buffer
	code = Run(ctx, Process{
		Args: append([]string{"-c", l.config}, args...), In: strings.NewReader(stdin), Out: &o, Err: &e,
		Environ: []string{"HOME=/nonexistent", "PATH=" + os.Getenv("PATH")}, Version: "test", Now: clock, Random: strings.NewReader(strings.Repeat("0123456789abcdef", 4)),
	})
	return o.String(), e.String(), code
}

// transcript is what a run printed, and what the agents were asked.
func (l *lab) transcript(out, errs string, code int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := out
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "<no line break>\n"
	}
	for line := range strings.Lines(errs) {
		text += "stderr: " + line
	}
	for _, r := range l.requests {
		text += "asked: " + r + "\n"
	}
	return text + fmt.Sprintf("exit: %d\n", code)
}

// The prepared clusters, by key. API stands for the agents' address.
var seeds = map[string]string{
	"shop/initialize": "7480000000000000001",
	"shop/config": `{"ttl": 30, "loop_wait": 10, "retry_timeout": 10, "maximum_lag_on_failover": 1048576, "pause": true, "synchronous_mode": true, "postgresql": {"use_pg_rewind": true,
		"pg_hba": ["host all all all md5", "local all all trust"], "parameters": {"max_connections": 100, "archive_command": "cp %p '/a b/%f'", "x": "on", "y": "100", "e": "", "t": "a: b", "u": "gr\u00fcn", "star": "*"}}}`,
	"shop/leader":      "db1",
	"shop/status":      `{"optime": 88886416}`,
	"shop/sync":        `{"leader": "db1", "quorum": 0, "sync_standby": "db2"}`,
	"shop/failover":    `{"leader": "db1", "member": "db2", "scheduled_at": "2030-01-01T00:00:00+00:00"}`,
	"shop/history":     `[[1, 25623680, "no recovery target specified", "2026-02-01T08:00:00.123456+00:00", "db2"], [2, 50000000, "no recovery target specified"], [3, 60000000, "no recovery target specified", "2026-02-02T08:00:00+00:00"]]`,
	"shop/members/db1": `{"conn_url": "postgres://192.0.2.11:5432/postgres", "api_url": "API", "state": "running", "role": "primary", "version": "4.1.4", "xlog_location": 88886416, "timeline": 4, "tags": {"clonefrom": true, "zone": "a"}, "pending_restart": true, "pending_restart_reason": {"max_connections": {"old_value": "100", "new_value": "200"}, "shared_preload_libraries": {"old_value": "", "new_value": "pg_stat_statements,auto_explain,pg_cron"}}}`,
	"shop/members/db2": `{"conn_url": "postgres://192.0.2.12:5432/postgres", "api_url": "API", "state": "running", "role": "replica", "version": "4.1.4", "xlog_location": 83886416, "receive_lsn": 83886416, "replay_lsn": 83886000, "replication_state": "streaming", "timeline": 4, "scheduled_restart": {"schedule": "2030-01-01T00:00:00+00:00", "postgres_version": "16.5"}}`,
	"shop/members/db3": `{"conn_url": "postgres://192.0.2.13:5433/postgres", "api_url": "API", "state": "stopped", "role": "replica", "version": "4.1.4", "tags": {"replicatefrom": "db2", "nofailover": true}}`,

	"plain/initialize": "7480000000000000002",
	"plain/config":     `{"ttl": 30, "loop_wait": 1, "retry_timeout": 10}`,
	"plain/leader":     "n1",
	"plain/status":     `{"optime": 83886416}`,
	"plain/failover":   `{}`,
	"plain/members/n1": `{"conn_url": "postgres://192.0.2.11:5432/postgres", "api_url": "API", "state": "running", "role": "primary", "version": "4.1.4", "xlog_location": 83886416, "timeline": 4}`,
	"plain/members/n2": `{"conn_url": "postgres://192.0.2.12:5432/postgres", "api_url": "API", "state": "running", "role": "replica", "version": "4.1.4", "xlog_location": 83886416, "receive_lsn": 83886416, "replay_lsn": 83886416, "replication_state": "streaming", "timeline": 4}`,

	"idle/initialize": "7480000000000000003",
	"idle/config":     `{"ttl": 30, "loop_wait": 1, "retry_timeout": 10}`,
	"idle/members/n1": `{"conn_url": "postgres://192.0.2.11:5432/postgres", "api_url": "API", "state": "running", "role": "replica", "version": "4.1.4", "xlog_location": 83886416, "timeline": 4}`,
}
