package postgres

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/postgres/pgtest"
)

func TestObserveWithWrongPassword(t *testing.T) {
	p := startPrimary(t, "a")
	cfg := p.config()
	cfg.Superuser.Password = "wrong"
	s := newServer(t, cfg)
	in := s.Observe(testContext(t))
	if !in.Running || in.Ready || !strings.Contains(in.Err, "password") || in.State != cluster.StateRunning || in.SystemID == "" {
		t.Errorf("got %+v", in)
	}
	if strings.Contains(in.Err, "wrong") {
		t.Errorf("the error tells the password: %s", in.Err)
	}
}

func TestObserveHungServer(t *testing.T) {
	p := startPrimary(t, "a")
	p.Observe(testContext(t))
	list, err := processes()
	must(t, err)
	for _, pr := range list {
		if inDirectory(pr.pid, p.resolvedDir()) {
			must(t, unix.Kill(pr.pid, unix.SIGSTOP))
		}
	}
	at := time.Now()
	in := p.Observe(testContext(t))
	if took := time.Since(at); took > 20*time.Second || !in.Running || in.Ready || in.Err == "" {
		t.Errorf("after %v: %+v", took, in)
	}
	ctx, cancel := context.WithTimeout(testContext(t), time.Second)
	defer cancel()
	if err := p.Stop(ctx, cluster.StopFast, true, nil); err == nil {
		t.Error("stop of a hung server: no error")
	}
	if in := p.Observe(testContext(t)); in.Running {
		t.Errorf("still runs: %+v", in)
	}
}

func TestObserveIsCheap(t *testing.T) {
	p := startPrimary(t, "a")
	ctx := testContext(t)
	p.Observe(ctx)
	var before, after unix.Rusage
	must(t, unix.Getrusage(unix.RUSAGE_SELF, &before))
	const rounds = 100
	at := time.Now()
	for range rounds {
		if in := p.Observe(ctx); !in.Ready {
			t.Fatal(in.Err)
		}
	}
	took := time.Since(at)
	must(t, unix.Getrusage(unix.RUSAGE_SELF, &after))
	cpu := time.Duration(after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano())
	t.Logf("one observation: %v of wall time, %v of CPU in this process (with the race detector on or off)", took/rounds, cpu/rounds)
}

func TestDataProblems(t *testing.T) {
	cfg := pgtest.Config(t, "a")
	s, ctx := newServer(t, cfg), testContext(t)
	if in := s.Observe(ctx); !in.DataEmpty || in.DataProblem != "" || in.State != cluster.StateStopped {
		t.Errorf("missing: %+v", in)
	}
	must(t, os.MkdirAll(filepath.Join(cfg.DataDir, "lost+found"), 0o700))
	if in := s.Observe(ctx); !in.DataEmpty {
		t.Errorf("mount point: %+v", in)
	}
	must(t, os.WriteFile(filepath.Join(cfg.DataDir, "PG_VERSION"), []byte("15\n"), 0o600))
	if in := s.Observe(ctx); in.DataEmpty || !strings.Contains(in.DataProblem, cfg.DataDir) || !strings.Contains(in.DataProblem, "pg_control") {
		t.Errorf("no control file: %+v", in)
	}
	if err := s.Start(ctx, cluster.StartOptions{}); err == nil || !strings.Contains(err.Error(), cfg.DataDir) {
		t.Errorf("start: %v", err)
	}
	must(t, os.Chmod(cfg.DataDir, 0o000))
	if in := s.Observe(ctx); in.DataEmpty || !strings.Contains(in.DataProblem, "chmod") {
		t.Errorf("unreadable: %+v", in)
	}
	must(t, os.Chmod(cfg.DataDir, 0o700))
	must(t, s.MoveDataAside())
	if _, err := os.Stat(cfg.DataDir + ".failed/PG_VERSION"); err != nil || !s.Observe(ctx).DataEmpty {
		t.Errorf("move aside: %v", err)
	}
	other := cfg
	other.DataDir = "/etc"
	if in := New(Options{Config: other}).Observe(ctx); !strings.Contains(in.DataProblem, "belongs to user root") {
		t.Errorf("another owner: %+v", in)
	}
	must(t, os.MkdirAll(cfg.DataDir, 0o700))
	must(t, os.WriteFile(filepath.Join(cfg.DataDir, "PG_VERSION"), []byte("15\n"), 0o600))
	must(t, s.markIncomplete("copy"))
	if in := s.Observe(ctx); !in.DataEmpty || in.DataProblem != "" {
		t.Errorf("copy cut off: %+v", in)
	}
	must(t, s.RemoveData())
	if s.incomplete() {
		t.Error("the marker is left")
	}
}
