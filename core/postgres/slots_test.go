package postgres

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/core/postgres/pgtest"
)

func create(names ...string) (out []cluster.SlotChange) {
	for _, n := range names {
		out = append(out, cluster.SlotChange{Verb: cluster.CreateSlot, Name: n, Type: cluster.PhysicalSlot})
	}
	return out
}

func drop(name string) cluster.SlotChange {
	return cluster.SlotChange{Verb: cluster.DropSlot, Name: name}
}

func advance(name string, to cluster.LSN) cluster.SlotChange {
	return cluster.SlotChange{Verb: cluster.AdvanceSlot, Name: name, Type: cluster.PhysicalSlot, To: to}
}

// makeSlots makes physical slots.
func makeSlots(t testing.TB, s *Server, names ...string) {
	t.Helper()
	changeSlots(t, s, create(names...)...)
}

// changeSlots returns the slots after changes, by name.
func changeSlots(t testing.TB, s *Server, changes ...cluster.SlotChange) map[string]cluster.Slot {
	t.Helper()
	list, err := s.Slots(testContext(t), changes)
	must(t, err)
	have := map[string]cluster.Slot{}
	for _, sl := range list {
		have[sl.Name] = sl
	}
	return have
}

func one(t testing.TB, s *Server, query string) string {
	t.Helper()
	var out sql.NullString
	must(t, s.withLocal(testContext(t), func(ctx context.Context, c *sql.Conn) error {
		return c.QueryRowContext(ctx, query).Scan(&out)
	}))
	return out.String
}

func TestPhysicalSlots(t *testing.T) {
	p := startPrimary(t, "a")
	s := startStandby(t, p, "b")
	run(t, p, "CREATE TABLE before ()")
	caughtUp(t, p, s) // so it streams, through its slot
	have := changeSlots(t, p)
	if b := have["b"]; len(have) != 1 || b.Type != cluster.PhysicalSlot || !b.Active || b.RestartLSN == 0 || b.Lost || b.HoldsRows() {
		t.Errorf("got %+v", have)
	}
	have = changeSlots(t, p, drop("b"), drop("unknown"), create("x")[0])
	if !have["b"].Active || have["x"].RestartLSN == 0 || have["x"].Active || len(have) != 2 {
		t.Errorf("one that is used is dropped, or hinders others: %+v", have)
	}
	run(t, p, "CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g")
	caughtUp(t, p, s)
	to := s.Observe(testContext(t)).ReplayLSN
	have = changeSlots(t, s, append(create("x", "y"), advance("x", to), advance("y", to+1<<30), drop("y"))...)
	if have["x"].RestartLSN != to || len(have) != 1 {
		t.Errorf("advanced on the standby: %+v, want x at %v", have, to)
	}
	run(t, p, "SELECT pg_create_physical_replication_slot('temporary', true, true)")
	if have = changeSlots(t, p, drop("x")); len(have) != 1 {
		t.Errorf("got %+v, want b alone", have)
	}
}

// logicalConfig is pgtest's configuration with logical decoding.
func logicalConfig(t testing.TB, name string) config.Postgres {
	cfg := pgtest.Config(t, name)
	cfg.Controlled = slices.Clone(cfg.Controlled)
	for i := range cfg.Controlled {
		if cfg.Controlled[i].Name == "wal_level" {
			cfg.Controlled[i].Value = "logical"
		}
	}
	cfg.Parameters = append(cfg.Parameters,
		config.Parameter{Name: "hot_standby_feedback", Value: "on"}, config.Parameter{Name: "wal_receiver_status_interval", Value: "1s"})
	return cfg
}

func logicalPair(t testing.TB) (p, s *Server) {
	t.Helper()
	ctx := testContext(t)
	p = newServer(t, logicalConfig(t, "a"))
	must(t, p.Initdb(ctx))
	must(t, p.Start(ctx, cluster.StartOptions{}))
	must(t, p.PostBootstrap(ctx))
	up := upstreamOf(p)
	makeSlots(t, p, "b")
	s = newServer(t, logicalConfig(t, "b"))
	must(t, s.Clone(ctx, up))
	must(t, s.Start(ctx, cluster.StartOptions{Standby: true, Upstream: &up}))
	waitStreaming(t, s)
	return p, s
}

func logical(verb cluster.SlotVerb, name, db string, to cluster.LSN) cluster.SlotChange {
	return cluster.SlotChange{Verb: verb, Name: name, Type: cluster.LogicalSlot, Database: db, Plugin: "test_decoding", To: to}
}

func TestLogicalSlotSurvivesPromotion(t *testing.T) {
	p, s := logicalPair(t)
	ctx, up := testContext(t), upstreamOf(p)
	must(t, p.withLocal(ctx, func(ctx context.Context, c *sql.Conn) error { return execSQL(ctx, c, "CREATE DATABASE app") }))
	have := changeSlots(t, p, logical(cluster.CreateSlot, "cdc", "postgres", 0), logical(cluster.CreateSlot, "other", "app", 0), logical(cluster.CreateSlot, "bad", "gone", 0), create("last")[0])
	if cdc := have["cdc"]; cdc.ConfirmedLSN == 0 || cdc.Plugin != "test_decoding" || cdc.Database != "postgres" || cdc.CatalogXmin == 0 || have["other"].Database != "app" || have["last"].Name == "" {
		t.Fatalf("created: %+v", have)
	}
	run(t, p, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
	caughtUp(t, p, s)
	at := s.Observe(ctx)
	before := func(context.Context) {
		if s.Observe(ctx).Pid != at.Pid {
			t.Error("told after the stop")
		}
	}
	must(t, s.CopySlots(ctx, up, []string{"cdc", "other", "gone", "last"}, cluster.StartOptions{Standby: true, Upstream: &up}, before))
	waitStreaming(t, s)
	in := s.Observe(ctx)
	if in.Pid == at.Pid || in.State != cluster.StateRunning {
		t.Errorf("after the copy: %+v", in)
	}
	have = changeSlots(t, s)
	if len(have) != 2 || have["cdc"].Plugin != "test_decoding" || have["other"].Database != "app" || have["cdc"].ConfirmedLSN == 0 {
		t.Fatalf("copied: %+v", have)
	}
	eventuallyTrue(t, "the primary keeps rows for the copy", func() bool {
		list, err := s.UpstreamSlots(ctx, up)
		return err == nil && slices.ContainsFunc(list, func(sl cluster.Slot) bool { return sl.Name == "b" && sl.CatalogXmin != 0 })
	})
	// The consumer reads the first change, and the standby comes after.
	if got := one(t, p, "SELECT string_agg(data, ' ') FROM pg_logical_slot_get_changes('cdc', NULL, NULL)"); !strings.Contains(got, "a[integer]:1") {
		t.Errorf("first change: %s", got)
	}
	confirmed := changeSlots(t, p)["cdc"].ConfirmedLSN
	caughtUp(t, p, s)
	have = changeSlots(t, s, logical(cluster.AdvanceSlot, "cdc", "postgres", confirmed))
	if have["cdc"].ConfirmedLSN != confirmed || have["cdc"].Lost {
		t.Errorf("advanced: %+v, want %v", have["cdc"], confirmed)
	}
	run(t, p, "INSERT INTO t VALUES (2)")
	caughtUp(t, p, s)
	must(t, s.Promote(ctx))
	run(t, s, "INSERT INTO t VALUES (3)")
	got := one(t, s, "SELECT string_agg(data, ' ') FROM pg_logical_slot_get_changes('cdc', NULL, NULL)")
	if strings.Contains(got, "a[integer]:1") || !strings.Contains(got, "a[integer]:2") || !strings.Contains(got, "a[integer]:3") {
		t.Errorf("after the promotion: %s", got)
	}
}

func TestCopyOfSlotsBringsTheWAL(t *testing.T) {
	p, s := logicalPair(t)
	ctx, up := testContext(t), upstreamOf(p)
	standby := cluster.StartOptions{Standby: true, Upstream: &up}
	never := func(context.Context) { t.Error("about to stop for nothing") }
	changeSlots(t, p, logical(cluster.CreateSlot, "cdc", "postgres", 0))
	run(t, p, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
	for range 3 { // what a new standby has begins behind what the slot needs
		run(t, p, "INSERT INTO t VALUES (2)")
		run(t, p, "SELECT pg_switch_wal()")
	}
	run(t, p, "CHECKPOINT")
	must(t, s.Stop(ctx, cluster.StopFast, true, nil))
	must(t, s.RemoveData())
	must(t, s.Clone(ctx, up))
	must(t, s.Start(ctx, standby))
	waitStreaming(t, s)
	pid := s.Observe(ctx).Pid
	if err := s.CopySlots(ctx, up, []string{"gone"}, standby, never); !errors.Is(err, errNoCopies) || s.Observe(ctx).Pid != pid {
		t.Errorf("restarted for nothing: %v", err)
	}
	silent := up
	silent.Port = pgtest.FreePort(t)
	if err := s.CopySlots(ctx, silent, []string{"cdc"}, standby, never); err == nil || s.Observe(ctx).Pid != pid {
		t.Errorf("restarted without an answer: %v", err)
	}
	must(t, s.CopySlots(ctx, up, []string{"cdc"}, standby, func(context.Context) {}))
	waitStreaming(t, s)
	caughtUp(t, p, s)
	run(t, s, "CHECKPOINT")
	must(t, s.Promote(ctx))
	run(t, s, "CHECKPOINT")
	got := one(t, s, "SELECT string_agg(data, ' ') FROM pg_logical_slot_get_changes('cdc', NULL, NULL)")
	if strings.Count(got, "a[integer]:1") != 1 || strings.Count(got, "a[integer]:2") != 3 {
		t.Errorf("after the promotion: %s", got)
	}
}

func TestNeededWAL(t *testing.T) {
	if n, ok := segmentNumber("0000000200000001000000FF", 16<<20); n != 511 || !ok {
		t.Errorf("got %d, %v, want 511", n, ok)
	}
	for _, name := range []string{"00000002.history", "0000000200000001000000FF.partial", "archive_status", "00000002000000010000000G"} {
		if _, ok := segmentNumber(name, 16<<20); ok {
			t.Errorf("%s counts as a segment", name)
		}
	}
	have := map[uint64]bool{5: true, 6: true}
	there := map[uint64][]string{3: {"x3"}, 4: {"x4", "y4"}, 5: {"y5"}}
	for _, tc := range []struct {
		from, to uint64
		want     string
		ok       bool
	}{{3, 7, "x3 x4 y4", true}, {4, 5, "x4 y4", true}, {5, 7, "", true}, {7, 7, "", true}, {2, 7, "", false}, {5, 8, "", false}} {
		files, ok := neededWAL(tc.from, tc.to, have, there)
		if got := strings.Join(files, " "); got != tc.want || ok != tc.ok {
			t.Errorf("from %d to %d: got %q, %v, want %q, %v", tc.from, tc.to, got, ok, tc.want, tc.ok)
		}
	}
}
