package postgres

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

func TestSyncNames(t *testing.T) {
	p := startPrimary(t, "a")
	s := startStandby(t, p, "b")
	waitStreaming(t, s)
	ctx := testContext(t)
	names := cluster.NamesOf(false, 1, []string{"b"})
	at, err := p.SetSyncNames(ctx, &names)
	must(t, err)
	in := p.Observe(ctx)
	if at == 0 || in.SyncNames != "b" || !in.SyncManaged || in.SyncCommit != "on" {
		t.Errorf("at %v: %+v", at, in)
	}
	eventuallyTrue(t, "b reaches the baseline", func() bool {
		in := p.Observe(ctx)
		return len(in.Replication) == 1 && in.Replication[0].SyncState == "sync" && in.Replication[0].FlushLSN >= at
	})
	// The names outlive a restart and a new agent.
	must(t, p.restart(ctx, cluster.StartOptions{}))
	if in := p.Observe(ctx); in.SyncNames != "b" {
		t.Errorf("after the restart: %q", in.SyncNames)
	}
	p.Close()
	again := newServer(t, p.config())
	again.effective = func(*cluster.Object) (config.Postgres, []string) { return p.config(), nil }
	must(t, again.Configure(ctx, nil))
	if in := again.Observe(ctx); in.SyncNames != "b" || !in.SyncManaged {
		t.Errorf("with a new agent: %q, managed %v", in.SyncNames, in.SyncManaged)
	}
	blocking := cluster.Blocking(false)
	_, err = again.SetSyncNames(ctx, &blocking)
	must(t, err)
	if !waitsForStandby(t, again) {
		t.Error("a commit did not wait although nobody can confirm it")
	}
	_, err = again.SetSyncNames(ctx, nil)
	must(t, err)
	if in := again.Observe(ctx); in.SyncNames != "" || in.SyncManaged {
		t.Errorf("as configured: %+v", in)
	}
	run(t, again, "CREATE TABLE public.t (i int)")
	if _, err := s.SetSyncNames(ctx, &names); err != nil {
		t.Errorf("on a standby: %v", err)
	}
}

// waitsForStandby reports that a commit waits until it is given up.
func waitsForStandby(t *testing.T, p *Server) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(testContext(t), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- p.withLocal(ctx, func(ctx context.Context, c *sql.Conn) error {
			return execSQL(ctx, c, "SET synchronous_commit = on; CREATE TABLE public.waiting (i int)")
		})
	}()
	waiting := false
	eventuallyTrue(t, "the commit waits or is done", func() bool {
		select {
		case err := <-done:
			t.Logf("the commit is done: %v", err)
			return true
		default:
		}
		must(t, p.withLocal(ctx, func(ctx context.Context, c *sql.Conn) error {
			return c.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')").Scan(&waiting)
		}))
		return waiting
	})
	run(t, p, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	return waiting
}
