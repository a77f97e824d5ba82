package postgres

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/core/postgres/pgtest"
)

func TestStopTellsEndOfLog(t *testing.T) {
	p := startPrimary(t, "a")
	s := startStandby(t, p, "b")
	ctx := testContext(t)
	run(t, p, "CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g")
	var told []cluster.LSN
	aliveThen := false
	pm := p.find()
	start := time.Now()
	must(t, p.Stop(ctx, cluster.StopFast, true, func(l cluster.LSN) { told = append(told, l); aliveThen = pm.alive() }))
	took := time.Since(start)
	if len(told) != 1 {
		t.Fatalf("told %v times, want once", told)
	}
	t.Logf("stop took %v, told before the exit: %v", took, aliveThen)
	in := s.Observe(ctx)
	if in.ReceiveLSN != told[0] {
		t.Errorf("standby received %s, told end %s", in.ReceiveLSN, told[0])
	}
	// pg_waldump finds nothing more at that place.
	out, err := p.tool(ctx, tool{name: "pg_waldump", args: []string{"-p", filepath.Join(p.config().DataDir, "pg_wal"), "-s", p.Observe(ctx).Control.CheckpointLSN.String()}})
	if err == nil || !strings.Contains(err.Error(), told[0].String()) || !strings.Contains(out, "CHECKPOINT_SHUTDOWN") {
		t.Errorf("pg_waldump: %v; want the end at %s", err, told[0])
	}
	start = time.Now()
	must(t, s.Promote(ctx))
	t.Logf("promotion right after the primary went took %v", time.Since(start))
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("promotion took %v, as if it waited for wal_retrieve_retry_interval", took)
	}
	run(t, s, "INSERT INTO t VALUES (0)")
	in = s.Observe(ctx)
	if in.Standby || in.Timeline != 2 || in.State != cluster.StateRunning {
		t.Errorf("promoted: got %+v", in)
	}
	h, err := s.TimelineHistory(ctx)
	if err != nil || len(h) != 1 || h[0].LSN != told[0] || h[0].Timeline != 1 || h[0].At == "" {
		t.Errorf("history: got %+v, %v", h, err)
	} else if _, err := cluster.ParseTime(h[0].At); err != nil {
		t.Error(err)
	}
	rejoin(t, p, s, cluster.DivergenceNone)
}

// rejoin makes the stopped former primary p a standby of s, by pg_rewind if
// that is the expected verdict.
func rejoin(t *testing.T, p, s *Server, want cluster.Divergence) {
	t.Helper()
	ctx, up := testContext(t), upstreamOf(s)
	must(t, s.Checkpoint(ctx))
	got, why, err := p.Diverged(ctx, up)
	must(t, err)
	t.Logf("verdict: %s", why)
	if got != want {
		t.Errorf("verdict %v (%s), want %v", got, why, want)
	}
	makeSlots(t, s, cluster.SlotName(p.config().Name))
	if want == cluster.DivergenceFound {
		must(t, p.Rewind(ctx, up))
	}
	must(t, p.Start(ctx, cluster.StartOptions{Standby: true, Upstream: &up}))
	waitStreaming(t, p)
	run(t, s, "CREATE TABLE rejoined ()")
	caughtUp(t, s, p)
	if in := p.Observe(ctx); !in.Standby || in.Timeline != 2 || in.UpstreamPort != up.Port {
		t.Errorf("rejoined: got %+v", in)
	}
	if got, why, err := p.Diverged(ctx, up); got != cluster.DivergenceNone || err != nil {
		t.Errorf("verdict on the running standby: %v (%s), %v", got, why, err)
	}
}

func TestRewindAfterDivergence(t *testing.T) {
	p := startPrimary(t, "a")
	s := startStandby(t, p, "b")
	ctx, up := testContext(t), upstreamOf(s)
	if got, why, err := s.Diverged(ctx, upstreamOf(p)); got != cluster.DivergenceNone || err != nil {
		t.Errorf("standby of its primary: %v (%s), %v", got, why, err)
	}
	if got, why, err := p.Diverged(ctx, up); got != cluster.DivergenceUnknown || err != nil {
		t.Errorf("upstream is a standby: %v (%s), %v", got, why, err)
	}
	run(t, p, "CREATE TABLE t (a int)")
	caughtUp(t, p, s)
	must(t, s.Promote(ctx))
	run(t, p, "INSERT INTO t SELECT generate_series(1, 1000)")
	run(t, s, "INSERT INTO t VALUES (-1)")
	must(t, p.Kill())
	eventuallyTrue(t, "killed", func() bool { return !p.Observe(ctx).Running })
	if in := p.Observe(ctx); in.State != cluster.StateCrashed || in.Control.State != "in production" {
		t.Errorf("killed: got %+v", in)
	}
	rejoin(t, p, s, cluster.DivergenceFound)
	var n int
	must(t, p.withLocal(ctx, func(ctx context.Context, c *sql.Conn) error {
		return c.QueryRowContext(ctx, "SELECT count(*) FROM public.t").Scan(&n)
	}))
	if n != 1 {
		t.Errorf("%d rows after the rewind, want 1", n)
	}
}

func TestFollowAnotherUpstream(t *testing.T) {
	p := startPrimary(t, "a")
	b, c := startStandby(t, p, "b"), startStandby(t, p, "c")
	ctx, up := testContext(t), upstreamOf(b)
	if old := upstreamOf(p); c.Wants(&old) || !c.Wants(&up) || !c.Wants(nil) {
		t.Error("Wants: wrong before")
	}
	makeSlots(t, b, "c")
	pid := c.Observe(ctx).Pid
	must(t, c.Follow(ctx, &up))
	eventuallyTrue(t, "c streams from b", func() bool {
		in := c.Observe(ctx)
		return in.ReplicationState == "streaming" && in.UpstreamPort == up.Port
	})
	if in := c.Observe(ctx); in.Pid != pid || c.Wants(&up) {
		t.Errorf("followed by restart, or not remembered: %+v", in)
	}
	must(t, b.Promote(ctx))
	run(t, b, "CREATE TABLE t ()")
	caughtUp(t, b, c)
	if in := c.Observe(ctx); in.Timeline != 2 {
		t.Errorf("timeline %d, want 2", in.Timeline)
	}
	must(t, c.Follow(ctx, nil))
	eventuallyTrue(t, "c follows nobody", func() bool { return c.Observe(ctx).ReplicationState == "" })
	if in := c.Observe(ctx); in.Timeline != 2 {
		t.Errorf("timeline without upstream: %d, want 2", in.Timeline)
	}
}

func TestStandbyKeepsHigherValues(t *testing.T) {
	p := startPrimary(t, "a")
	up, ctx := upstreamOf(p), testContext(t)
	cfg := pgtest.Config(t, "b")
	for i := range cfg.Controlled {
		if cfg.Controlled[i].Name == "max_connections" {
			cfg.Controlled[i].Value = "25"
		}
	}
	cfg.UseSlots = false
	cfg.ConfigDir = filepath.Join(filepath.Dir(cfg.DataDir), "conf")
	s := newServer(t, cfg)
	must(t, s.Clone(ctx, up))
	must(t, s.Start(ctx, cluster.StartOptions{Standby: true, Upstream: &up}))
	in := s.Observe(ctx)
	if again := s.Observe(ctx); again.PendingReason.String() != `{"max_connections":{"old_value":"30","new_value":"25"}}` {
		t.Errorf("got %s, first %+v", again.PendingReason, in)
	}
	for _, name := range []string{"postgresql.conf.backup", "postgresql.base.conf.backup", "pg_hba.conf.backup"} {
		if _, err := os.Stat(filepath.Join(cfg.DataDir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestCloneCancelledLeavesNothing(t *testing.T) {
	p := startPrimary(t, "a")
	cfg := pgtest.Config(t, "b")
	cfg.BaseBackup = []config.Option{{Key: "max-rate", Value: "1M", HasValue: true}, {Key: "pgdata", Value: "/x", HasValue: true}}
	s := newServer(t, cfg)
	ctx, cancel := context.WithCancel(testContext(t))
	done := make(chan error, 1)
	go func() { done <- s.Clone(ctx, upstreamOf(p)) }()
	eventuallyTrue(t, "copy runs", func() bool {
		_, err := os.Stat(filepath.Join(cfg.DataDir, "base"))
		return err == nil && s.Observe(testContext(t)).State == cluster.StateCreatingReplica
	})
	cancel()
	if err := <-done; err == nil {
		t.Error("no error")
	}
	in := s.Observe(testContext(t))
	if !in.DataEmpty || in.State != cluster.StateStopped || s.incomplete() {
		t.Errorf("got %+v", in)
	}
}

// A standby whose max_connections became too low stops replaying; a restart
// gives it what the control file says.
func TestReplayStallsUntilRestart(t *testing.T) {
	p := startPrimary(t, "a")
	s := startStandby(t, p, "b")
	waitStreaming(t, s)
	ctx := testContext(t)
	cfg := p.config()
	cfg.Controlled = slices.Clone(cfg.Controlled)
	for i := range cfg.Controlled {
		if cfg.Controlled[i].Name == "max_connections" {
			cfg.Controlled[i].Value = "55"
		}
	}
	p.effective = func(*cluster.Object) (config.Postgres, []string) { return cfg, nil }
	must(t, p.Configure(ctx, nil))
	must(t, p.restart(ctx, cluster.StartOptions{}))
	eventuallyTrue(t, "replay stalls", func() bool { return s.Observe(ctx).ReplayStalled })
	up := upstreamOf(p)
	must(t, s.restart(ctx, cluster.StartOptions{Standby: true, Upstream: &up}))
	if in := s.Observe(ctx); in.ReplayStalled || in.ReplayPaused {
		t.Errorf("after the restart: %+v", in)
	}
	must(t, s.withLocal(ctx, func(ctx context.Context, c *sql.Conn) error {
		return execSQL(ctx, c, "SELECT pg_catalog.pg_wal_replay_pause()")
	}))
	if in := s.Observe(ctx); in.ReplayStalled || !in.ReplayPaused {
		t.Errorf("paused by hand: %+v", in)
	}
}
