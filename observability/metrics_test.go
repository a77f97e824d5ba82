package observability

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/record"
)

func TestMetricsShowOneSnapshot(t *testing.T) {
	scrapes := 0
	h := Metrics(func() Snapshot {
		scrapes++
		return Snapshot{
			Scope: "shop", Member: "db1", LeaseHeld: true, LeaseRemaining: 1500 * time.Millisecond, Renewals: 7, FenceReady: true, FenceKills: 1, FenceKillsGone: 2,
			Status: &cluster.NodeStatus{Build: &cluster.Build{Method: "pgbackrest", Attempt: 2}},
		}
	}, NewPhases("shop", "db1"))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("GET /metrics: %d %v", w.Code, err)
	}
	for _, line := range []string{
		`pgregent_lease_remaining_seconds{name="db1",scope="shop"} 1.5`,
		`pgregent_lease_renewals_total{name="db1",scope="shop"} 7`,
		`pgregent_fence_ready{name="db1",scope="shop"} 1`,
		`pgregent_fence_kills_total{name="db1",reason="lease over",scope="shop"} 1`,
		`pgregent_fence_kills_total{name="db1",reason="agent gone",scope="shop"} 2`,
		`pgregent_build_method{attempt="2",method="pgbackrest",name="db1",scope="shop"} 1`,
	} {
		if !strings.Contains(string(body), line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if scrapes != 1 {
		t.Errorf("%d snapshots for one scrape", scrapes)
	}
}

func TestMetricsAreWellNamed(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(newCollector(func() Snapshot { return Snapshot{} }))
	phases := NewPhases("shop", "db1")
	phases.Observe(someEntry("db1", record.Race)) // a vector without series is not looked at
	phases.Observe(someEntry("db1", record.Change))
	phases.Cycle("lead", time.Millisecond)
	phases.Store("load", time.Millisecond, nil)
	phases.Postgres("observe", time.Millisecond)
	phases.REST("/patroni", 200, time.Millisecond)
	reg.MustRegister(phases.collectors()...)
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
