package plugins

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/plugins/script"
)

// newTestHost makes a Host whose callbacks are lines and whose standing
// plugins are specs.
func newTestHost(t *testing.T, lines map[string]string, standing ...Spec) (*Host, *logs) {
	t.Helper()
	l, out := newLauncher(t)
	h, err := NewHost(Options{
		Cluster: "main", Node: "n1", StateDir: t.TempDir(), Logger: l.log, Standing: standing,
		Find:        func(string) (Spec, bool) { return Spec{}, false },
		Callbacks:   func() map[string]string { return lines },
		PrimaryWord: func() string { return "primary" },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h, out
}

func contents(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}

func role(action string, r cluster.Role, epoch cluster.Epoch) cluster.Event {
	return cluster.Event{Action: action, Role: r, Epoch: epoch, At: time.Unix(1, 0)}
}

// One at a time, a new one kills the one that runs, only the newest waits, and
// a reload kills nothing but a reload.
func TestCallbacksReplaceEachOther(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	body := "#!/bin/sh\necho \"$@\" >>" + out + "\nsleep 60 &\necho $! >" + dir + "/pid.$1\nwait\n"
	path := filepath.Join(dir, "cb")
	if err := os.WriteFile(path, []byte(body), 0o755); err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{"on_start": path, "on_reload": path, "on_role_change": path, "on_stop": "true"}
	h, logged := newTestHost(t, lines)
	defer func() {
		h.Event(role("on_stop", cluster.RoleReplica, 0))
		h.Event(role("on_reload", cluster.RoleReplica, 0))
	}()
	pid := func(action string) int {
		n, _ := strconv.Atoi(strings.TrimSpace(contents(filepath.Join(dir, "pid."+action))))
		return n
	}
	h.Event(role("on_start", cluster.RoleReplica, 1))
	eventually(t, "the first callback", func() bool { return pid("on_start") > 0 })
	h.Event(role("on_reload", cluster.RoleReplica, 1))
	eventually(t, "the reload", func() bool { return pid("on_reload") > 0 })
	if !script.Alive(pid("on_start"), 0) {
		t.Error("a reload has killed another callback")
	}
	h.Event(role("on_role_change", cluster.RolePrimary, 2))
	eventually(t, "the second callback", func() bool { return pid("on_role_change") > 0 })
	eventually(t, "the end of the child of the first", func() bool { return !script.Alive(pid("on_start"), 0) })
	if !script.Alive(pid("on_reload"), 0) {
		t.Error("a change of role has killed a reload")
	}
	h.Event(role("on_start", cluster.RolePrimary, 1)) // came late
	if got, want := contents(out), "on_start replica main\non_reload replica main\non_role_change primary main\n"; got != want {
		t.Errorf("calls: got %q, want %q", got, want)
	}
	for _, text := range []string{"callback killed", "a newer callback came", "it is of an older leadership"} {
		if !strings.Contains(logged.String(), text) {
			t.Errorf("the log does not say %q", text)
		}
	}
	for _, p := range []int{pid("on_role_change"), pid("on_reload")} {
		_ = unix.Kill(p, unix.SIGKILL)
	}
}

// marked is the test plugin with a marker file.
func marked(t *testing.T, habit string) (Spec, string) {
	t.Helper()
	marker := filepath.Join(t.TempDir(), "told")
	s := self(t, habit)
	s.Settings = fmt.Appendf(nil, `{"marker": %q}`, marker)
	return s, marker
}

func TestStandingPluginIsToldInOrder(t *testing.T) {
	s, marker := marked(t, "well")
	h, _ := newTestHost(t, nil, s)
	a := cluster.Route{Epoch: 3, Primary: &cluster.Endpoint{Name: "a", Host: "h", Port: 1}}
	h.Route(a)
	eventually(t, "the route", func() bool { return strings.Contains(contents(marker), "update a 3\n") })
	h.Drain(t.Context(), a)
	h.Event(role("on_start", cluster.RolePrimary, 3))
	h.Route(cluster.Route{Epoch: 2, Primary: &cluster.Endpoint{Name: "b", Host: "h", Port: 1}}) // of a former leadership
	eventually(t, "the event", func() bool { return strings.Contains(contents(marker), "on_start") })
	h.Route(cluster.Route{Epoch: 4})
	eventually(t, "the last route", func() bool { return strings.Contains(contents(marker), "update - 4\n") })
	if got, want := contents(marker), "update a 3\ndrain a 3\non_start primary 3\nupdate - 4\n"; got != want {
		t.Errorf("told: got %q, want %q", got, want)
	}
}

// What is configured otherwise is ended and started anew, told where clients
// belong; what is not goes on.
func TestStandingPluginsChange(t *testing.T) {
	same, sameMarker := marked(t, "well")
	same.Name = "same"
	old, oldMarker := marked(t, "hangs")
	h, out := newTestHost(t, nil, same, old)
	h.Event(role("on_start", cluster.RolePrimary, 3)) // in which the old one hangs
	h.Route(cluster.Route{Epoch: 3, Primary: &cluster.Endpoint{Name: "a", Host: "h", Port: 1}})
	eventually(t, "the route", func() bool { return strings.Contains(contents(sameMarker), "update a 3\n") })
	next, nextMarker := marked(t, "well")
	next.Name = "hangs"
	h.SetStanding([]Spec{same, next})
	eventually(t, "the route at the new one", func() bool { return contents(nextMarker) == "update a 3\n" })
	h.Event(role("on_stop", cluster.RoleDemoted, 3))
	eventually(t, "the event", func() bool {
		return strings.Contains(contents(nextMarker), "on_stop") && strings.Contains(contents(sameMarker), "on_stop")
	})
	h.SetStanding(nil)
	h.Event(role("on_start", cluster.RoleReplica, 3))
	if got, want := contents(sameMarker), "on_start primary 3\nupdate a 3\non_stop demoted 3\n"; got != want && got != "update a 3\non_start primary 3\non_stop demoted 3\n" {
		t.Errorf("the one that stayed was told %q, want %q", got, want)
	}
	if strings.Count(out.String(), "it is not configured so any more") != 3 || strings.Contains(contents(oldMarker), "on_stop") {
		t.Errorf("told %q; log:\n%s", contents(oldMarker), out)
	}
	if left, _ := filepath.Glob(filepath.Join(h.records.dir, "*.json")); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

func TestStandingPluginIsStartedAgain(t *testing.T) {
	s, marker := marked(t, "crashes") // at each event
	h, out := newTestHost(t, nil, s)
	h.Event(role("on_start", cluster.RoleReplica, 1))
	eventually(t, "the crash", func() bool { return h.Counts().Restarts > 0 })
	h.Route(cluster.Route{Epoch: 5})
	eventually(t, "the route after the restart", func() bool { return strings.Contains(contents(marker), "update - 5") })
	if !strings.Contains(out.String(), "plugin ended; starting it again") {
		t.Error("the log does not tell of it")
	}
}

// A plugin that hangs, or cannot be started, holds up nobody.
func TestNothingWaitsForPlugins(t *testing.T) {
	hangs, _ := marked(t, "hangs")
	silent := self(t, "silent")
	h, _ := newTestHost(t, nil, hangs, silent, self(t, "exits"), self(t, "garbage"))
	slowest := time.Duration(0)
	for i := range 100 {
		began := time.Now()
		h.Event(role("on_start", cluster.RoleReplica, cluster.Epoch(i)))
		h.Route(cluster.Route{Epoch: cluster.Epoch(i)})
		slowest = max(slowest, time.Since(began))
	}
	// Whoever waited for one of them would wait for ten seconds and more; a busy
	// machine takes its own time.
	if slowest > 2*time.Second {
		t.Errorf("an event took %v", slowest)
	}
}
