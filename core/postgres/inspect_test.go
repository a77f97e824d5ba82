package postgres

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/core/postgres/pgtest"
)

// TestInspect generates a configuration from a server that no agent manages.
func TestInspect(t *testing.T) {
	cfg := pgtest.Config(t, "pg0")
	cfg.Parameters = append(cfg.Parameters, config.Parameter{Name: "work_mem", Value: "7MB"}, config.Parameter{Name: "archive_command", Value: `cp '%p' "a b"`})
	cfg.PgHba = []string{"local all all trust", "host all all 127.0.0.1/32 scram-sha-256"}
	s := New(Options{Config: cfg, Bootstrap: &config.Bootstrap{}})
	t.Cleanup(func() { _ = s.Kill(); s.Close() })
	if err := s.Initdb(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context(), cluster.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	at := func(password string) string {
		u := url.URL{Scheme: "postgres", User: url.UserPassword(cfg.Superuser.Username, password), Host: fmt.Sprintf("127.0.0.1:%d", cfg.Port), Path: "/postgres"}
		return u.String()
	}
	r, major, err := Inspect(t.Context(), at(cfg.Superuser.Password))
	if err != nil {
		t.Fatal(err)
	}
	has := func(name, value string) bool {
		return slices.Contains(r.Parameters, config.Parameter{Name: name, Value: value})
	}
	if major < oldestVersion || r.Port != cfg.Port || r.DataDir != cfg.DataDir || !has("work_mem", "7MB") || !has("archive_command", `cp '%p' "a b"`) {
		t.Errorf("got %+v", r)
	}
	if !slices.Equal(r.HBA, cfg.PgHba) || r.Superuser.Password != cfg.Superuser.Password {
		t.Errorf("got %q and %q", r.HBA, r.Superuser.Password)
	}
	if info, err := os.Stat(r.BinDir + "/postgres"); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("bin_dir %q: %v", r.BinDir, err)
	}
	if _, _, err := Inspect(t.Context(), at("s3cret")); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a wrong password: got %v", err)
	}
	if _, _, err := Inspect(t.Context(), "postgres://a:s3cret@h:port:port/x"); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a bad URL: got %v", err)
	}
}
