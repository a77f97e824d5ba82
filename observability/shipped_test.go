package observability

import (
	"encoding/json"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/record"
)

var metricName = regexp.MustCompile(`\bpgregent_[a-z_]+\b`)

// The files that we ship ask only for metrics that there are.
func TestShippedFilesAskForMetricsThatExist(t *testing.T) {
	names := exposed(t)
	seen := 0
	for _, pattern := range []string{"grafana/*.json", "prometheus/rules.yml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files %s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(file, ".json") && !json.Valid(text) {
				t.Errorf("%s is not JSON", file)
			}
			for _, line := range strings.Split(string(text), "\n") {
				if strings.Contains(line, "record: ") || strings.Contains(line, "scope:pgregent_") {
					continue // a name that the rules make
				}
				for _, name := range metricName.FindAllString(line, -1) {
					seen++
					if !names[name] {
						t.Errorf("%s: there is no metric %s", file, name)
					}
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d metrics were found in the files", seen)
	}
}

// exposed are the names of an agent that has done everything once.
func exposed(t *testing.T) map[string]bool {
	t.Helper()
	p := NewPhases("shop", "db1")
	p.Observe(someEntry("db1", record.Race))
	p.Observe(someEntry("db1", record.Change))
	p.Cycle("lead", time.Millisecond)
	p.Store("load", time.Millisecond, nil)
	p.Postgres("observe", time.Millisecond)
	p.REST("/patroni", 200, time.Millisecond)
	h := Metrics(func() Snapshot {
		return Snapshot{Scope: "shop", Member: "db1", Status: &cluster.NodeStatus{
			Settings:   cluster.DefaultSettings(),
			Instance:   cluster.Instance{Running: true, Ready: true, WriteLSN: 100, Replication: []cluster.WALSender{{ApplicationName: "db2", FlushLSN: 60}}},
			LastStatus: cluster.Status{Slots: map[string]cluster.LSN{"db2": 50}},
		}}
	}, p)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{`pgregent_replication_flush_lag_bytes{name="db1",scope="shop",standby="db2"} 40`, `pgregent_slot_behind_bytes{name="db1",scope="shop",slot="db2"} 50`} {
		if !strings.Contains(w.Body.String(), line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	names := map[string]bool{}
	for _, name := range metricName.FindAllString(w.Body.String(), -1) {
		names[name] = true
	}
	return names
}

// promtool judges the shipped rules and the metrics themselves.
func TestPromtoolAgrees(t *testing.T) {
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed; make test-deps installs it")
	}
	run := func(dir string, args ...string) {
		t.Helper()
		cmd := exec.Command(path, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	run("prometheus", "check", "rules", "rules.yml")
	run("prometheus", "test", "rules", "rules_test.yml")
	run("prometheus", "check", "config", "--syntax-only", "scrape.yml")
	// The whole exposition, as a scrape gets it.
	p := NewPhases("shop", "db1")
	h := Metrics(func() Snapshot { return Snapshot{Scope: "shop", Member: "db1"} }, p)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	cmd := exec.Command(path, "check", "metrics")
	cmd.Stdin = w.Body
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// Every alert has a runbook line and a severity.
func TestAlertsHaveARunbook(t *testing.T) {
	text, err := fs.ReadFile(os.DirFS("prometheus"), "rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	alerts := strings.Split(string(text), "- alert: ")[1:]
	if len(alerts) < 10 {
		t.Errorf("%d alerts", len(alerts))
	}
	for _, a := range alerts {
		name, _, _ := strings.Cut(a, "\n")
		for _, part := range []string{"runbook: \"", "summary: \"", "severity: "} {
			if !strings.Contains(a, part) {
				t.Errorf("%s has no %s", name, part)
			}
		}
	}
}
