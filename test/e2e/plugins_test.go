package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/test/lab"
)

// recorder is a script that writes down how it was called: the call last and
// at once, so that whoever sees it finds the rest complete.
const recorder = `#!/bin/sh
dir=$(dirname "$0") name=$(basename "$0")
env | sort >"$dir/new.$name.$$" && mv "$dir/new.$name.$$" "$dir/env.$name"
umask >"$dir/umask.$$" && mv "$dir/umask.$$" "$dir/umask"
call=$name
for a in "$@"; do call="$call [$a]"; done
printf '%s\n' "$call" >>"$dir/calls"
`

// scripts makes a directory with recording scripts of those names, readable
// and writable for the agents.
func scripts(t *testing.T, bodies map[string]string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgregent-scripts-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, body := range bodies {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(recorder+body), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// calls are the lines that the scripts have written.
func calls(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "calls"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// callbacks is the configuration of all callbacks to one script each node.
func callbacks(script string) string {
	out := "  callbacks:\n"
	for _, a := range []string{"on_start", "on_stop", "on_restart", "on_reload", "on_role_change"} {
		out += "    " + a + ": " + script + "\n"
	}
	return out
}

// A first method that fails falls to the second, with the reason in view, and
// the scripts get the arguments that they expect.
func TestReplicaMethodsInOrder(t *testing.T) {
	dir := scripts(t, map[string]string{
		"broken": "echo 'no space left on the tape' >&2\nexit 3\n",
		"copy": `for a in "$@"; do case $a in --datadir=*) D=${a#*=};; --connstring=*) C=${a#*=};; esac; done
exec ` + lab.BinDir() + `/pg_basebackup -D "$D" -X stream -c fast -d "$C"
`,
	})
	l := lab.New(t, lab.Options{Nodes: 2, Node: func(string) string {
		return fmt.Sprintf(`  create_replica_methods: [tape, copy]
  tape: {command: %[1]s/broken --flag 'two words', no_leader: 1, keep_data: true, level: 1.5}
  copy: {command: %[1]s/copy}
`, dir)
	}})
	standby := l.Standbys()[0]
	got := calls(t, dir)
	port := l.Leader().SQLPort
	want := []string{
		fmt.Sprintf("broken [--flag] [two words] [--no_leader=1] [--keep_data=True] [--level=1.5] [--scope=lab] [--role=replica] [--datadir=%s] [--connstring=dbname=postgres user=replicator host=127.0.0.1 port=%d]", standby.DataDir, port),
		fmt.Sprintf("copy [--scope=lab] [--role=replica] [--datadir=%s] [--connstring=dbname=postgres user=replicator host=127.0.0.1 port=%d]", standby.DataDir, port),
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("calls: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, text := range []string{"no space left on the tape", "method=tape", "exit status 3"} {
		if !strings.Contains(standby.Log(), text) {
			t.Errorf("the log does not say %q", text)
		}
	}
	if env, _ := os.ReadFile(filepath.Join(dir, "env.copy")); !strings.Contains(string(env), "PGPASSFILE=") {
		t.Errorf("no PGPASSFILE in the environment:\n%s", env)
	}
	if mask, _ := os.ReadFile(filepath.Join(dir, "umask")); strings.TrimSpace(string(mask)) != "0077" {
		t.Errorf("umask: got %s", mask)
	}
}

// The default method is a plugin of its own process; killed half-way, it is
// begun again, and neither the agent nor the leader notices.
func TestBuildIsShownAndSurvivesAKill(t *testing.T) {
	l := lab.New(t, lab.Options{Nodes: 2, Node: func(string) string {
		return "  basebackup:\n  - max-rate: 6M\n  - checkpoint: fast\n"
	}})
	leader, standby := l.Leader(), l.Standbys()[0]
	if _, err := leader.Query("SELECT pg_switch_wal()"); err != nil {
		t.Fatal(err)
	}
	w := l.NewProbes()
	pid, postmaster := standby.Pid(), leader.Postmaster()
	told := buildEvents(t, standby)
	post(t, standby, "/reinitialize", `{"force": true}`, 200)
	build := func() *cluster.Object {
		doc, err := standby.GetJSON("/patroni")
		if err != nil {
			return nil
		}
		return doc.Object("pgregent").Object("build")
	}
	percent := func() int {
		n, ok := cluster.ParseInt(build().Get("percent"))
		if !ok {
			return -1
		}
		return int(n)
	}
	l.Wait(30*time.Second, "progress", func() string {
		if p := percent(); p < 10 || p >= 90 {
			return fmt.Sprint("percent ", p)
		}
		return ""
	})
	if got := cluster.Text(build().Get("method")); got != "basebackup" {
		t.Errorf("method: got %s", got)
	}
	l.Wait(30*time.Second, "progress in the leader's /cluster", func() string {
		_, text, _ := leader.Call("GET", "/cluster", "")
		if !strings.Contains(text, `"pgregent": {"build": {"method": "basebackup", "attempt": 1, "phase": "copy", "bytes_done": `) {
			return text
		}
		return ""
	})
	killed := killPlugin(t, pid)
	l.Wait(30*time.Second, "the failure in the log", func() string {
		if !strings.Contains(standby.Log(), "the plugin's process ended in the middle of it") {
			return "not yet"
		}
		return ""
	})
	highest := -1
	l.Wait(60*time.Second, "the standby", func() string {
		highest = max(highest, percent())
		return l.Unhealthy()
	})
	if standby.Pid() != pid || leader.Postmaster() != postmaster || l.Leader() != leader {
		t.Error("the agent, the leader or its PostgreSQL is another one")
	}
	if highest < 90 {
		t.Errorf("the highest progress that was seen is %d %%", highest)
	}
	t.Logf("killed plugin %d; highest progress afterwards %d %%", killed, highest)
	if _, text, _ := leader.Call("GET", "/cluster", ""); strings.Contains(text, `"build"`) {
		t.Errorf("the end of the build is not in /cluster: %s", text)
	}
	for _, want := range []string{`"from": null, "to": {"method": "basebackup"`, `"phase": "copy"`, `"to": null`} {
		if !strings.Contains(told(), want) {
			t.Errorf("GET /events has no %s:\n%s", want, told())
		}
	}
	if both := w.Overlap(time.Second); both > 0 {
		t.Errorf("two primaries during %v", both)
	}
}

// A killed agent takes the plugin that builds with it, and whatever that has
// started; the next agent begins the build anew.
func TestBuildOfAKilledAgentIsBegunAnew(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Nodes: 2, Lazy: true, Node: func(string) string {
		return "  basebackup:\n  - max-rate: 6M\n  - checkpoint: fast\n"
	}})
	leader, standby := l.Nodes[0], l.Nodes[1]
	leader.Start()
	l.WaitHealthy(60 * time.Second)
	postmaster := leader.Postmaster()
	standby.Start()
	var copying []int
	l.Wait(60*time.Second, "the build", func() string {
		doc, err := standby.GetJSON("/patroni")
		if n, _ := cluster.ParseInt(doc.Object("pgregent").Object("build").Get("percent")); err != nil || n < 5 {
			return fmt.Sprint(doc, err)
		}
		copying = processesWith("--pgdata=" + standby.DataDir)
		return ""
	})
	if len(copying) == 0 {
		t.Fatal("no pg_basebackup found")
	}
	standby.KillAgent()
	standby.Start()
	l.Wait(60*time.Second, "the next build", func() string {
		if strings.Count(standby.Log(), `msg="build started"`) < 2 {
			return "not begun"
		}
		return ""
	})
	for _, pid := range copying {
		if slices.Contains(processesWith("--pgdata="+standby.DataDir), pid) {
			t.Errorf("pg_basebackup %d of the former agent still writes", pid)
		}
	}
	if _, err := exec.LookPath("patronictl"); err == nil { // it reads the same key
		if out, err := l.Patronictl(t.Context(), "list"); err != nil || !strings.Contains(out, standby.Name) {
			t.Errorf("patronictl list during the build: %s %v", out, err)
		}
	}
	l.WaitHealthy(60 * time.Second)
	if leader.Postmaster() != postmaster || l.Leader() != leader {
		t.Error("the leader or its PostgreSQL is another one")
	}
}

// processesWith are the processes that have this among their arguments.
func processesWith(argument string) []int {
	var pids []int
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		if slices.Contains(strings.Split(string(text), "\x00"), argument) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// buildEvents listens to a node's events and returns what reads those of builds
// that have come so far.
func buildEvents(t *testing.T, n *lab.Node) func() string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL("/events"), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var text strings.Builder
	go func() {
		defer func() { _ = resp.Body.Close() }()
		kind := ""
		for in := bufio.NewScanner(resp.Body); in.Scan(); {
			if name, ok := strings.CutPrefix(in.Text(), "event: "); ok {
				kind = name
			}
			if data, ok := strings.CutPrefix(in.Text(), "data: "); ok && kind == "build" {
				mu.Lock()
				text.WriteString(data + "\n")
				mu.Unlock()
			}
		}
	}()
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return text.String()
	}
}

// killPlugin kills the plugin process that an agent has started.
func killPlugin(t *testing.T, agent int) int {
	t.Helper()
	children, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range children {
		pid, err := strconv.Atoi(c.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if fields[1] == strconv.Itoa(agent) && strings.Contains(string(line), "\x00plugin\x00") {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("no plugin process found")
	return 0
}
