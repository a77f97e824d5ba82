package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/core/postgres/pgtest"
)

var _ agent.Postgres = (*Server)(nil)

func TestMain(m *testing.M) { pgtest.Main(m) }

// logWriter writes to the test's log.
type logWriter struct{ t testing.TB }

func (w logWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// newServer makes a Server whose processes end with the test.
func newServer(t testing.TB, cfg config.Postgres) *Server {
	t.Helper()
	s := New(Options{
		Config:    cfg,
		Bootstrap: &config.Bootstrap{Initdb: []config.Option{{Key: "encoding", Value: "UTF8", HasValue: true}, {Key: "locale", Value: "C", HasValue: true}, {Key: "no-sync"}}},
		Logger:    slog.New(slog.NewTextHandler(logWriter{t}, nil)),
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		defer cancel()
		if err := killAndWait(ctx, s.resolvedDir(), s.find()); err != nil {
			t.Errorf("end server: %v", err)
		}
		s.Close() // nothing logs after this
	})
	return s
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// startPrimary bootstraps a primary.
func startPrimary(t testing.TB, name string) *Server {
	t.Helper()
	s, ctx := newServer(t, pgtest.Config(t, name)), testContext(t)
	must(t, s.Initdb(ctx))
	must(t, s.Start(ctx, cluster.StartOptions{}))
	must(t, s.PostBootstrap(ctx))
	return s
}

func upstreamOf(s *Server) cluster.Upstream {
	cfg := s.config()
	return cluster.Upstream{Name: cfg.Name, Host: cfg.ConnectHost, Port: cfg.ConnectPort}
}

// startStandby clones from p and waits until it streams.
func startStandby(t testing.TB, p *Server, name string) *Server {
	t.Helper()
	s, ctx, up := newServer(t, pgtest.Config(t, name)), testContext(t), upstreamOf(p)
	makeSlots(t, p, cluster.SlotName(name))
	must(t, s.Clone(ctx, up))
	must(t, s.Start(ctx, cluster.StartOptions{Standby: true, Upstream: &up}))
	waitStreaming(t, s)
	return s
}

// eventuallyTrue looks again until ok.
func eventuallyTrue(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 90 s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func waitStreaming(t testing.TB, s *Server) {
	t.Helper()
	eventuallyTrue(t, s.config().Name+" streams", func() bool { return s.Observe(testContext(t)).ReplicationState == "streaming" })
}

// run executes SQL as the superuser.
func run(t testing.TB, s *Server, query string) {
	t.Helper()
	must(t, s.withLocal(testContext(t), func(ctx context.Context, c *sql.Conn) error {
		return execSQL(ctx, c, "SET search_path = public; "+query)
	}))
}

// caughtUp waits until s has replayed all that p has written.
func caughtUp(t testing.TB, p, s *Server) {
	t.Helper()
	end := p.Observe(testContext(t)).WriteLSN
	eventuallyTrue(t, "caught up", func() bool { return s.Observe(testContext(t)).ReplayLSN >= end })
}

func TestBootstrapCreatesRoles(t *testing.T) {
	cfg := pgtest.Config(t, "a")
	s, ctx := newServer(t, cfg), testContext(t)
	out := filepath.Join(filepath.Dir(cfg.DataDir), "said")
	script := filepath.Join(filepath.Dir(cfg.DataDir), "script")
	must(t, os.WriteFile(script, []byte("#!/bin/sh\n"+cfg.BinDir+"/psql -Atc \"SELECT count(*) FROM pg_roles WHERE rolname = 'replicator'\" \"$1\" > "+out+"\n"), 0o755))
	s.bootstrap.PostBootstrap, s.site = script, commands{}
	must(t, s.Initdb(ctx))
	must(t, s.Start(ctx, cluster.StartOptions{}))
	must(t, s.PostBootstrap(ctx))
	if text, err := os.ReadFile(out); err != nil || strings.TrimSpace(string(text)) != "0" {
		t.Errorf("post_bootstrap saw %q, %v; want it to run before the roles exist", text, err)
	}
	in := s.Observe(ctx)
	if in.State != cluster.StateRunning || !in.Ready || in.Standby || in.Timeline != 1 || in.WriteLSN == 0 ||
		!cluster.ValidSystemID(in.SystemID) || in.ServerVersion < 130000 || in.PendingRestart || in.StartTime.IsZero() {
		t.Errorf("got %+v", in)
	}
	for _, c := range []config.Credentials{cfg.Superuser, cfg.Rewind, cfg.Replication} {
		must(t, withConn(ctx, dsn("postgres", c, cluster.Upstream{Host: "127.0.0.1", Port: cfg.Port}, time.Second), time.Second,
			func(ctx context.Context, c *sql.Conn) error { return execSQL(ctx, c, "SELECT 1") }))
	}
	must(t, withConn(ctx, dsn("postgres", cfg.Rewind, cluster.Upstream{Host: "127.0.0.1", Port: cfg.Port}, time.Second), time.Second,
		func(ctx context.Context, c *sql.Conn) error {
			return execSQL(ctx, c, "SELECT pg_catalog.pg_read_binary_file('PG_VERSION')")
		}))
	if h, err := s.TimelineHistory(ctx); err != nil || len(h) != 0 || h == nil {
		t.Errorf("history on timeline 1: %v, %v", h, err)
	}
	must(t, s.Stop(ctx, cluster.StopFast, true, nil))
	in = s.Observe(ctx)
	if in.State != cluster.StateStopped || in.Running || in.Control.State != "shut down" || !in.Control.RewindPossible || in.Standby {
		t.Errorf("stopped: got %+v", in)
	}
}

func TestAdoptionLeavesServerAlone(t *testing.T) {
	p := startPrimary(t, "a")
	before := p.Observe(testContext(t))
	p.Close() // the agent ends
	again := newServer(t, p.config())
	in := again.Observe(testContext(t))
	if in.Pid != before.Pid || in.State != cluster.StateRunning || !in.Ready || in.SystemID != before.SystemID || !in.StartTime.Equal(before.StartTime) {
		t.Errorf("got %+v\nwas %+v", in, before)
	}
	must(t, again.Stop(testContext(t), cluster.StopFast, false, nil))
	select {
	case <-again.Events():
	case <-time.After(30 * time.Second):
		t.Error("no event")
	}
}

// orphan kills p's postmaster under a backend that computes: that does not
// notice, and goes on. It returns when the exit was announced.
func orphan(t testing.TB, p *Server) {
	t.Helper()
	ctx := testContext(t)
	go func() {
		_ = p.withLocal(ctx, func(ctx context.Context, c *sql.Conn) error {
			return execSQL(ctx, c, "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 1000000) b")
		})
	}()
	eventuallyTrue(t, "backend busy", func() bool {
		busy := 0
		err := p.withLocal(ctx, func(ctx context.Context, c *sql.Conn) error {
			return c.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series%' AND state = 'active' AND pid <> pg_backend_pid()").Scan(&busy)
		})
		return err == nil && busy > 0
	})
	for len(p.Events()) > 0 {
		<-p.Events()
	}
	pid, at := p.Observe(ctx).Pid, time.Now()
	must(t, unix.Kill(pid, unix.SIGKILL))
	select {
	case <-p.Events():
		t.Logf("event after %v", time.Since(at))
	case <-time.After(30 * time.Second):
		t.Fatal("no event")
	}
	if n, err := remaining(p.resolvedDir()); n == 0 || err != nil {
		t.Fatalf("no orphan: %d, %v", n, err)
	}
}

func TestCrashWithBusyBackend(t *testing.T) {
	p := startPrimary(t, "a")
	ctx := testContext(t)
	orphan(t, p)
	if in := p.Observe(ctx); in.State != cluster.StateCrashed || in.Running {
		t.Errorf("got %+v", in)
	}
	dir := p.resolvedDir()
	must(t, p.Kill())
	eventuallyTrue(t, "orphans gone", func() bool { n, err := remaining(dir); return n == 0 && err == nil })
	at := time.Now()
	must(t, p.Start(ctx, cluster.StartOptions{}))
	t.Logf("start after the crash took %v", time.Since(at))
	if in := p.Observe(ctx); !in.Ready || in.State != cluster.StateRunning {
		t.Errorf("restarted: got %+v", in)
	}
	// Once more, and Start itself has to clear up.
	must(t, unix.Kill(p.Observe(ctx).Pid, unix.SIGKILL))
	must(t, p.Start(ctx, cluster.StartOptions{}))
}

// A killed postmaster may stay a zombie for long: a slow init, or a container
// without one. PostgreSQL takes it for alive.
func TestStartBesideUnreapedPostmaster(t *testing.T) {
	p := startPrimary(t, "a")
	ctx := testContext(t)
	must(t, p.Kill())
	zombie := exec.Command("true")
	must(t, zombie.Start())
	t.Cleanup(func() { _ = zombie.Wait() })
	eventuallyTrue(t, "a zombie", func() bool {
		found, err := readProcess(zombie.Process.Pid)
		return err == nil && found.dead()
	})
	file := filepath.Join(p.resolvedDir(), "postmaster.pid")
	text, err := os.ReadFile(file)
	must(t, err)
	_, rest, _ := strings.Cut(string(text), "\n")
	must(t, os.WriteFile(file, fmt.Appendf(nil, "%d\n%s", zombie.Process.Pid, rest), 0o600))
	must(t, p.Start(ctx, cluster.StartOptions{}))
}

func TestConfigureReportsPendingRestart(t *testing.T) {
	p := startPrimary(t, "a")
	ctx := testContext(t)
	cfg := p.config()
	cfg.Parameters = append([]config.Parameter{{Name: "no_such_parameter", Value: "1"}, {Name: "work_mem", Value: "7MB"}}, cfg.Parameters...)
	for i := range cfg.Parameters {
		if cfg.Parameters[i].Name == "shared_buffers" {
			cfg.Parameters[i].Value = "24MB"
		}
	}
	cfg.Controlled = append([]config.Parameter(nil), cfg.Controlled...)
	for i := range cfg.Controlled {
		if cfg.Controlled[i].Name == "max_connections" {
			cfg.Controlled[i].Value = "40"
		}
	}
	p.effective = func(*cluster.Object) (config.Postgres, []string) { return cfg, []string{"a warning"} }
	must(t, p.Configure(ctx, nil))
	in := p.Observe(ctx)
	want := `{"max_connections":{"old_value":"30","new_value":"40"},"shared_buffers":{"old_value":"16MB","new_value":"24MB"}}`
	if !in.PendingRestart || in.PendingReason.String() != want {
		t.Errorf("got %v %s\nwant %s", in.PendingRestart, in.PendingReason, want)
	}
	var mem string
	must(t, p.withLocal(ctx, func(ctx context.Context, c *sql.Conn) error {
		return c.QueryRowContext(ctx, "SHOW work_mem").Scan(&mem)
	}))
	if mem != "7MB" {
		t.Errorf("work_mem %s, want 7MB", mem)
	}
	must(t, p.restart(ctx, cluster.StartOptions{}))
	if in := p.Observe(ctx); in.PendingRestart || in.State != cluster.StateRunning {
		t.Errorf("after the restart: %+v", in)
	}
}

func TestStartTellsWhyNot(t *testing.T) {
	cfg := pgtest.Config(t, "a")
	cfg.Parameters = append([]config.Parameter{{Name: "archive_cleanup", Value: "x"}, {Name: "shared_preload_libraries", Value: "no_such_library"}}, cfg.Parameters...)
	s, ctx := newServer(t, cfg), testContext(t)
	must(t, s.Initdb(ctx))
	err := s.Start(ctx, cluster.StartOptions{})
	if err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("got %v", err)
	}
	if in := s.Observe(ctx); in.State != cluster.StateStartFailed || in.Running {
		t.Errorf("got %+v", in)
	}
}

func TestConfigurationFiles(t *testing.T) {
	p := startPrimary(t, "a")
	cfg := p.config()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(cfg.DataDir, name))
		must(t, err)
		return string(text)
	}
	base := read(baseName)
	conf := read("postgresql.conf")
	if !strings.Contains(conf, "include 'postgresql.base.conf'") || !strings.Contains(conf, "wal_retrieve_retry_interval = '200ms'") || strings.Contains(base, doNotEdit) {
		t.Errorf("postgresql.conf:\n%s", conf)
	}
	must(t, p.withLocal(testContext(t), func(ctx context.Context, c *sql.Conn) error {
		return execSQL(ctx, c, "ALTER SYSTEM SET primary_slot_name = 'x'")
	}))
	must(t, p.restart(testContext(t), cluster.StartOptions{}))
	if read(baseName) != base {
		t.Error("the original was renamed again")
	}
	if strings.Contains(read("postgresql.auto.conf"), "primary_slot_name") {
		t.Error("recovery parameter left in postgresql.auto.conf")
	}
	pass, err := os.Stat(cfg.PgPass)
	if err == nil && pass.Mode().Perm() != 0o600 {
		t.Errorf("mode of the password file: %v", pass.Mode())
	}
	if got := fmt.Sprint(p.Observe(testContext(t)).State); got != "running" {
		t.Error(got)
	}
}
