package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// A loop that turns, then hangs, then is stopped.
func TestServiceManagerHearsOfTheLoopOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // of said and now
		var said []string
		say := func(s string) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, s)
		}
		m := &serviceManager{rounds: make(chan struct{}, 1), alive: 60 * time.Second, say: say}
		now := &cluster.NodeStatus{Role: cluster.RoleReplica, Instance: cluster.Instance{State: cluster.StateRunning, Timeline: 3}}
		ctx, cancel := context.WithCancel(t.Context())
		stopping := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			m.run(ctx, stopping, func() *cluster.NodeStatus {
				mu.Lock()
				defer mu.Unlock()
				return now
			})
		}()
		expect := func(step string, want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if got := strings.Join(said, "|"); got != strings.Join(want, "|") {
				t.Errorf("%s: said %q, want %q", step, got, want)
			}
			said = nil
		}

		expect("before any round")
		m.turned()
		expect("first round", "READY=1\nSTATUS=replica, PostgreSQL running, timeline 3\nWATCHDOG=1")
		m.turned()
		expect("another at once")
		time.Sleep(7 * time.Second)
		m.turned()
		expect("another, later", "WATCHDOG=1")
		mu.Lock()
		now = &cluster.NodeStatus{Role: cluster.RolePrimary, Instance: now.Instance, Job: "promote", Settings: cluster.Settings{Pause: true}}
		mu.Unlock()
		m.turned()
		expect("another role", "STATUS=primary, PostgreSQL running, timeline 3, promote, paused")
		time.Sleep(time.Hour)
		expect("a loop that hangs")
		close(stopping)
		expect("stopping", "STOPPING=1\nSTATUS=stopping PostgreSQL", "EXTEND_TIMEOUT_USEC=30000000\nWATCHDOG=1")
		time.Sleep(11 * time.Second)
		expect("still stopping", "EXTEND_TIMEOUT_USEC=30000000\nWATCHDOG=1", "EXTEND_TIMEOUT_USEC=30000000\nWATCHDOG=1")
		time.Sleep(2 * time.Hour)
		<-done // it does not ask for ever
		cancel()
	})
}

func TestTryProgram(t *testing.T) {
	dir := t.TempDir()
	write := func(name, body string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good", `[ "$*" = "--validate-config --ignore-listen-port a.yml" ]`)
	if err := tryProgram(t.Context(), good, "a.yml"); err != nil {
		t.Errorf("a program that accepts the file: %v", err)
	}
	bad := write("bad", "echo unknown key >&2; exit 1")
	if err := tryProgram(t.Context(), bad, "a.yml"); err == nil || !strings.Contains(err.Error(), "unknown key") {
		t.Errorf("a program that refuses the file: got %v, want its words", err)
	}
	if err := tryProgram(t.Context(), filepath.Join(dir, "none"), "a.yml"); err == nil {
		t.Error("no program: no error")
	}
}
