package postgres

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/core/postgres/pgtest"
)

// archivedIn makes a configuration archive into the directory it returns,
// from the moment that a file "go" is in it.
func archivedIn(t *testing.T, cfg *config.Postgres) string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(cfg.DataDir), "archive")
	must(t, os.Mkdir(dir, 0o700))
	cfg.Parameters = append(cfg.Parameters,
		config.Parameter{Name: "archive_mode", Value: "True"},
		config.Parameter{Name: "archive_command", Value: "test -e " + dir + "/go && cp %p " + dir + "/%f"})
	return dir
}

func bootstrapped(t *testing.T, cfg config.Postgres) *Server {
	t.Helper()
	s, ctx := newServer(t, cfg), testContext(t)
	must(t, s.Initdb(ctx))
	must(t, s.Start(ctx, cluster.StartOptions{}))
	must(t, s.PostBootstrap(ctx))
	return s
}

func TestRewindAfterCrashKeepsUnarchivedLog(t *testing.T) {
	for name, elsewhere := range map[string]bool{"configuration in the data directory": false, "configuration elsewhere": true} {
		t.Run(name, func(t *testing.T) {
			cfg := pgtest.Config(t, "a")
			archive := archivedIn(t, &cfg)
			if elsewhere {
				cfg.ConfigDir = filepath.Join(filepath.Dir(cfg.DataDir), "conf")
				must(t, os.Mkdir(cfg.ConfigDir, 0o700))
			}
			p := bootstrapped(t, cfg)
			s, ctx := startStandby(t, p, "b"), testContext(t)
			caughtUp(t, p, s)
			must(t, s.Promote(ctx))
			must(t, s.Checkpoint(ctx))
			segment := ""
			must(t, p.withLocal(ctx, func(ctx context.Context, c *sql.Conn) error {
				return c.QueryRowContext(ctx, "SELECT pg_walfile_name(pg_current_wal_lsn())").Scan(&segment)
			}))
			run(t, p, "CREATE TABLE lost (); SELECT pg_switch_wal()")
			run(t, p, "CREATE TABLE lost_too ()")
			must(t, p.Kill())
			eventuallyTrue(t, "killed", func() bool { return !p.Observe(ctx).Running })
			must(t, os.WriteFile(filepath.Join(archive, "go"), nil, 0o600))
			up := upstreamOf(s)
			makeSlots(t, s, "a")
			must(t, p.Rewind(ctx, up))
			if _, err := os.Stat(filepath.Join(archive, segment)); err != nil {
				t.Errorf("the segment that waited for the archive: %v", err)
			}
			must(t, p.Start(ctx, cluster.StartOptions{Standby: true, Upstream: &up}))
			waitStreaming(t, p)
		})
	}
}

func TestArchiveTheEndOfTheLog(t *testing.T) {
	cfg := pgtest.Config(t, "a")
	archive := archivedIn(t, &cfg)
	p, ctx := bootstrapped(t, cfg), testContext(t)
	run(t, p, "CREATE TABLE t (); SELECT pg_switch_wal()")
	run(t, p, "CREATE TABLE u ()")
	must(t, p.Stop(ctx, cluster.StopFast, true, nil))
	if err := p.Archive(ctx); err == nil {
		t.Error("archive_command fails, and Archive says nothing")
	}
	must(t, os.WriteFile(filepath.Join(archive, "go"), nil, 0o600))
	must(t, p.Archive(ctx))
	d, err := p.controlData(ctx)
	must(t, err)
	last := segmentName(d.control().Timeline, d.control().CheckpointLSN, d.number("Bytes per WAL segment"))
	if _, err := os.Stat(filepath.Join(archive, last)); err != nil {
		t.Errorf("the segment of the shutdown checkpoint: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(p.archiveStatus(), "*.ready")); len(left) > 0 {
		t.Errorf("still waiting: %v", left)
	}
}

func TestRecoverySettingsOfAStandbyCluster(t *testing.T) {
	sc := &cluster.StandbyCluster{
		Host: "h1,h2", Port: "5433", SlotName: "main", RestoreCommand: "get %f %p", RecoveryMinApplyDelay: "5min",
	}
	cfg := config.Postgres{
		Name: "dr1", UseSlots: true, StandbyCluster: sc,
		RecoveryConf: []config.Parameter{{Name: "restore_command", Value: "old"}, {Name: "archive_cleanup_command", Value: "kept"}},
	}
	values := func(up *cluster.Upstream) map[string]string {
		out := map[string]string{}
		for _, p := range recoverySettings(cfg, up, 15) {
			out[p.Name] = p.Value
		}
		return out
	}
	leader, replica := values(sc.Upstream()), values(&cluster.Upstream{Name: "dr1", Host: "h3", Port: 5432})
	for name, want := range map[string][2]string{ // of the leader, of a replica
		"restore_command":          {"get %f %p", "get %f %p"},
		"archive_cleanup_command":  {"kept", "kept"},
		"recovery_min_apply_delay": {"5min", ""},
		"primary_slot_name":        {"main", "dr1"},
	} {
		if leader[name] != want[0] || replica[name] != want[1] {
			t.Errorf("%s: got %q and %q, want %q", name, leader[name], replica[name], want)
		}
	}
	if got := leader["primary_conninfo"]; !strings.Contains(got, "host=h1,h2 port=5433 ") || !strings.HasSuffix(got, "target_session_attrs=read-write") {
		t.Errorf("several hosts: %s", got)
	}
	if got := replica["primary_conninfo"]; !strings.Contains(got, "host=h3 port=5432 ") || strings.Contains(got, "target_session_attrs") {
		t.Errorf("a replica: %s", got)
	}
	sc.Host, sc.SlotName = "", ""
	if only := values(sc.Upstream()); only["primary_conninfo"] != "" || only["primary_slot_name"] != "" || only["restore_command"] == "" {
		t.Errorf("archive only: %v", only)
	}
}

// TestRemoteOfSeveralHosts has a standby of a list of servers, of which one
// is the primary, and then the other.
func TestRemoteOfSeveralHosts(t *testing.T) {
	p := startPrimary(t, "a")
	s, ctx := startStandby(t, p, "b"), testContext(t)
	a, b := upstreamOf(p), upstreamOf(s)
	ports := a.Ports() + "," + b.Ports()
	up := (&cluster.StandbyCluster{Host: a.Host + "," + b.Host, Port: ports}).Upstream()
	r := newServer(t, pgtest.Config(t, "r"))
	must(t, r.Clone(ctx, *up))
	must(t, r.Start(ctx, cluster.StartOptions{Standby: true, Upstream: up}))
	waitStreaming(t, r)
	if got, why, err := r.Diverged(ctx, *up); got != cluster.DivergenceNone || err != nil {
		t.Errorf("verdict: %v (%s), %v", got, why, err)
	}
	if in := r.Observe(ctx); in.UpstreamPort != a.Port {
		t.Errorf("streams from port %d, want the primary's %d", in.UpstreamPort, a.Port)
	}
	must(t, p.Stop(ctx, cluster.StopFast, true, nil))
	must(t, s.Promote(ctx))
	eventuallyTrue(t, "follows the new primary", func() bool {
		in := r.Observe(ctx)
		return in.ReplicationState == "streaming" && in.UpstreamPort == b.Port && in.Timeline == 2
	})
	if r.Wants(up) || !r.Wants(&a) || !r.Wants(nil) {
		t.Error("a remote is not known again")
	}
}
