package postgres

import (
	"strings"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/core/postgres/pgtest"
)

// broken are parameters with which a server would not start.
var broken = []struct{ name, value, reason string }{
	{"wal_compression", "squeeze", "Available values"},
	{"work_mem", "1000TB", "exceeds integer range"},
	{"maintenance_work_mem", "12XB", "is not a number"},
	{"temp_buffers", "12kb", "Valid units"},
	{"log_timezone", "Mars/Olympus", "refused"},
	{"datestyle", "bogus", "Unrecognized key word"},
	{"synchronous_commit", "perhaps", "Available values"},
	{"statement_timeout", "soon", "is not a number"},
	{"fsync", "maybe", "is not a boolean"},
	{"shared_bufers", "1GB", "did you mean shared_buffers?"},
	{"random_page_cost", "-1", "0 is used"},
	{"max_connections", "999999999", "262143 is used"},
	{"recovery_min_apply_delay", "later", "refused"},
	{"default_table_access_method", "", "refused"},
}

func brokenConfig(t *testing.T) config.Postgres {
	cfg := pgtest.Config(t, "pg0")
	for _, b := range broken {
		p := config.Parameter{Name: b.name, Value: b.value}
		switch b.name {
		case "max_connections":
			for i := range cfg.Controlled {
				if cfg.Controlled[i].Name == b.name {
					cfg.Controlled[i].Value = b.value
				}
			}
		case "recovery_min_apply_delay":
			cfg.RecoveryConf = append(cfg.RecoveryConf, p)
		default:
			cfg.Parameters = append(cfg.Parameters, p)
		}
	}
	return cfg
}

func TestCheckParameters(t *testing.T) {
	cfg := brokenConfig(t)
	got, err := CheckParameters(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for _, r := range got {
		reasons[r.Name] = r.Reason
	}
	for _, b := range broken {
		if !strings.Contains(reasons[b.name], b.reason) {
			t.Errorf("%s: got %q, want %q in it", b.name, reasons[b.name], b.reason)
		}
	}
	if len(reasons) != len(broken) {
		t.Errorf("got %d refusals, want %d: %v", len(reasons), len(broken), reasons)
	}
}

// TestServerStartsWithBrokenParameters: what the server would refuse is left
// out, the rest is used.
func TestServerStartsWithBrokenParameters(t *testing.T) {
	cfg := brokenConfig(t)
	cfg.Parameters = append(cfg.Parameters, config.Parameter{Name: "application_name", Value: "kept"})
	for i := range cfg.Controlled {
		if cfg.Controlled[i].Name == "max_connections" {
			cfg.Controlled[i].Value = "70"
		}
	}
	s := New(Options{Config: cfg, Bootstrap: &config.Bootstrap{}})
	t.Cleanup(func() { _ = s.Kill(); s.Close() })
	if err := s.Initdb(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context(), cluster.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	db, err := s.pool()
	if err != nil {
		t.Fatal(err)
	}
	var number string
	if err := db.QueryRowContext(t.Context(), "SELECT current_setting('max_connections')").Scan(&number); err != nil || number != "70" {
		t.Errorf("max_connections is %q (%v), want 70", number, err)
	}
	if err := s.Stop(t.Context(), cluster.StopFast, false, nil); err != nil {
		t.Error(err)
	}
}
