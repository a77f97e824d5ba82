package postgres

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// TestWaitsForNobodysLog has a former primary rewound from a server that is lost
// before the last of its log came over: it runs, never becomes consistent, and
// answers nobody. Compared with who leads instead, it has diverged.
func TestWaitsForNobodysLog(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	p := startPrimary(t, "a")
	b, c := startStandby(t, p, "b"), startStandby(t, p, "c")
	for _, s := range []*Server{b, c} {
		must(t, s.Follow(ctx, nil))
	}
	run(t, p, "CREATE TABLE only_a ()")
	must(t, p.Stop(ctx, cluster.StopFast, true, nil))
	must(t, b.Promote(ctx))
	must(t, b.Checkpoint(ctx))
	run(t, b, "CREATE TABLE by_b AS SELECT generate_series(1, 1000)")
	run(t, b, "SELECT pg_catalog.pg_switch_wal()")
	run(t, b, "CREATE TABLE last_of_b AS SELECT generate_series(1, 1000)")
	must(t, p.Rewind(ctx, upstreamOf(b)))
	must(t, b.Kill())
	removeLastSegment(t, p, 2)
	must(t, c.Promote(ctx))
	must(t, c.Checkpoint(ctx))
	makeSlots(t, c, "a")
	up := upstreamOf(c)
	if err := p.Start(ctx, cluster.StartOptions{Standby: true, Upstream: &up, Timeout: 3 * time.Second}); err == nil {
		t.Fatal("it became consistent")
	}
	if in := p.Observe(ctx); !in.Running || in.Ready || !in.Standby {
		t.Fatalf("got %+v, want a standby that runs and does not answer", in)
	}
	if got, why, err := p.Diverged(ctx, up); got != cluster.DivergenceFound || err != nil {
		t.Errorf("against who leads: %v (%s), %v", got, why, err)
	}
}

// removeLastSegment takes the end of the log of that timeline away.
func removeLastSegment(t *testing.T, s *Server, tl cluster.Timeline) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.config().DataDir, "pg_wal"))
	must(t, err)
	last := ""
	for _, e := range entries { // in order
		if len(e.Name()) == 24 && strings.HasPrefix(e.Name(), "0000000"+string(rune('0'+tl))) {
			last = e.Name()
		}
	}
	if last == "" {
		t.Fatalf("no segment of timeline %d", tl)
	}
	must(t, os.Remove(filepath.Join(s.config().DataDir, "pg_wal", last)))
}
