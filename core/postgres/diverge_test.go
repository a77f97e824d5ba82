package postgres

import (
	"os"
	"strings"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/postgres/pgtest"
)

// TestPromotedApart has two standbys promoted without knowing of each other:
// both are on timeline 2, with different logs.
func TestPromotedApart(t *testing.T) {
	for name, tc := range map[string]struct {
		same  bool // both have received the same
		crash bool // the first to be promoted does not shut down
		early bool // and has made no checkpoint on its timeline
		on    bool // the other one is promoted once more, to timeline 3
	}{
		"from different positions":       {},
		"from the same position, killed": {same: true, crash: true},
		"killed before a checkpoint":     {crash: true, early: true},
		"from the same position":         {same: true},
		"the same, before a checkpoint":  {same: true, crash: true, early: true},
		"the same, and one goes on":      {same: true, on: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := testContext(t)
			p := startPrimary(t, "a")
			b, c := startStandby(t, p, "b"), startStandby(t, p, "c")
			if !tc.same {
				must(t, c.Follow(ctx, nil))
				run(t, p, "CREATE TABLE only_b ()")
			}
			run(t, p, "CREATE TABLE t ()")
			caughtUp(t, p, b)
			if tc.same {
				must(t, p.Stop(ctx, cluster.StopFast, true, nil))
				if b.Observe(ctx).ReceiveLSN != c.Observe(ctx).ReceiveLSN {
					t.Fatal("the standbys did not receive the same")
				}
			}
			must(t, p.Kill())
			must(t, b.Promote(ctx))
			run(t, b, "CREATE TABLE by_b (a int)")
			if !tc.early {
				must(t, b.Checkpoint(ctx))
			}
			if tc.crash {
				must(t, b.Kill())
				eventuallyTrue(t, "killed", func() bool { return !b.Observe(ctx).Running })
			} else {
				must(t, b.Stop(ctx, cluster.StopFast, true, nil))
			}
			must(t, c.Promote(ctx))
			run(t, c, "CREATE TABLE by_c AS SELECT generate_series(1, 20000)") // behind b's end
			must(t, c.Checkpoint(ctx))
			want := cluster.Timeline(2)
			if tc.on {
				promoteAgain(t, c)
				want++
			}
			up := upstreamOf(c)
			if ours := b.Observe(ctx).Timeline; !tc.early && ours != 2 || c.Observe(ctx).Timeline != want {
				t.Fatalf("timelines %d and %d, want 2 and %d", ours, c.Observe(ctx).Timeline, want)
			}
			got, why, err := b.Diverged(ctx, up)
			t.Logf("verdict: %s", why)
			if got != cluster.DivergenceFound || err != nil {
				t.Errorf("got %v (%s), %v, want found", got, why, err)
			}
			if err := b.Rewind(ctx, up); err == nil || !strings.Contains(err.Error(), "copied anew") {
				t.Errorf("rewind: got %v", err)
			}
			if b.incomplete() {
				t.Error("the refused rewind marked the data as incomplete")
			}
			if tc.crash {
				return
			}
			must(t, b.RemoveData())
			makeSlots(t, c, "b")
			copyAgrees(t, b, c)
		})
	}
}

// TestStandbyOfTheOther has a standby of one that was promoted apart compared
// with the other one.
func TestStandbyOfTheOther(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	p := startPrimary(t, "a")
	b, c, d := startStandby(t, p, "b"), startStandby(t, p, "c"), startStandby(t, p, "d")
	must(t, p.Stop(ctx, cluster.StopFast, true, nil))
	for _, s := range []*Server{b, c} {
		must(t, s.Promote(ctx))
		run(t, s, "CREATE TABLE t ()")
	}
	makeSlots(t, b, "d")
	up := upstreamOf(b)
	must(t, d.Follow(ctx, &up))
	caughtUp(t, b, d)
	for _, running := range []bool{true, false} {
		if !running {
			must(t, d.Stop(ctx, cluster.StopFast, false, nil))
		}
		for up, want := range map[*Server]cluster.Divergence{b: cluster.DivergenceNone, c: cluster.DivergenceFound} {
			if got, why, err := d.Diverged(ctx, upstreamOf(up)); got != want || err != nil {
				t.Errorf("against %s, running %v: got %v (%s), %v, want %v", up.config().Name, running, got, why, err, want)
			}
		}
	}
}

// promoteAgain makes a primary a standby of nobody, and promotes it.
func promoteAgain(t *testing.T, s *Server) {
	t.Helper()
	ctx := testContext(t)
	must(t, s.Stop(ctx, cluster.StopFast, true, nil))
	must(t, s.Start(ctx, cluster.StartOptions{Standby: true}))
	must(t, s.Promote(ctx))
	must(t, s.Checkpoint(ctx))
}

// copyAgrees copies up to s and compares before and after s has started.
func copyAgrees(t *testing.T, s, primary *Server) {
	t.Helper()
	ctx, up := testContext(t), upstreamOf(primary)
	must(t, s.Clone(ctx, up))
	agrees := func(when string) {
		t.Helper()
		if got, why, err := s.Diverged(ctx, up); got != cluster.DivergenceNone || err != nil {
			t.Errorf("%s: %v (%s), %v", when, got, why, err)
		}
	}
	agrees("fresh copy")
	if _, err := os.Stat(s.historyPath(primary.Observe(ctx).Timeline)); err != nil {
		t.Errorf("history file of the copy: %v", err)
	}
	must(t, s.Start(ctx, cluster.StartOptions{Standby: true, Upstream: &up}))
	waitStreaming(t, s)
	agrees("running")
	must(t, s.Stop(ctx, cluster.StopFast, false, nil))
	agrees("stopped")
}

func TestStartClearsOrphansFirst(t *testing.T) {
	p := startPrimary(t, "a")
	ctx := testContext(t)
	orphan(t, p)
	cfg := p.config()
	must(t, os.Remove(cfg.DataDir+"/PG_VERSION"))
	if err := p.Start(ctx, cluster.StartOptions{}); err == nil {
		t.Error("started without PG_VERSION")
	}
	if n, err := remaining(p.resolvedDir()); n != 0 || err != nil {
		t.Errorf("%d orphans left, %v", n, err)
	}
	if err := newServer(t, pgtest.Config(t, "b")).Start(ctx, cluster.StartOptions{}); err == nil {
		t.Error("started without data")
	}
}
