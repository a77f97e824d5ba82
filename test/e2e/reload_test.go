package e2e

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// TestReloadOfTheFile: SIGHUP takes over what can change, and keeps and tells
// what takes a restart of the agent; a file that is wrong changes nothing.
func TestReloadOfTheFile(t *testing.T) {
	l := lab.New(t, lab.Options{Nodes: 1})
	n := l.Nodes[0]
	before := n.Postmaster()
	written, err := os.ReadFile(n.Config)
	if err != nil {
		t.Fatal(err)
	}
	reload := func(want string, pairs ...string) {
		t.Helper()
		seen := strings.Count(n.Log(), want)
		if err := os.WriteFile(n.Config, []byte(strings.NewReplacer(pairs...).Replace(string(written))), 0o644); err != nil {
			t.Fatal(err)
		}
		n.Signal(syscall.SIGHUP)
		l.Wait(30*time.Second, want, func() string {
			if strings.Count(n.Log(), want) == seen {
				return "not told"
			}
			return ""
		})
	}
	reload("configuration reloaded", "fsync: 'off'", "fsync: 'off'\n    work_mem: 9MB", n.DataDir, n.DataDir+"-other", "name: "+n.Name, "name: other")
	for _, key := range []string{"postgresql.data_dir", "name"} {
		if !strings.Contains(n.Log(), `the old value stays until the agent is restarted" key=`+key) {
			t.Errorf("the log does not say that %s takes a restart of the agent", key)
		}
	}
	l.Wait(20*time.Second, "the changed parameter", func() string {
		got, err := n.Query("SHOW work_mem")
		if err != nil || got != "9MB" {
			return got
		}
		return ""
	})
	reload("the old one stays in force", "work_mem", "work_mem", "name: "+n.Name, "name: [x]")
	dir := scripts(t, map[string]string{"note": ""})
	note := "name: " + n.Name + "\nplugins: {note: {type: exec, settings: {callback: " + dir + "/note}}}"
	reload("reload plugins; the old ones stay in force", "name: "+n.Name, "name: "+n.Name+"\nplugins: {note: {path: "+dir+"/no-such-program}}")
	reload("plugins reloaded", "name: "+n.Name, note)
	reload("no local configuration items changed", "name: "+n.Name, note) // of which the plugin is told
	l.Wait(20*time.Second, "the new plugin", func() string {
		if len(calls(t, dir)) == 0 {
			return "not told"
		}
		return ""
	})
	reload("plugins reloaded", "fsync: 'off'", "fsync: 'off'\n    work_mem: 9MB", n.DataDir, n.DataDir+"-other", "name: "+n.Name, "name: other")
	reload("no local configuration items changed", "fsync: 'off'", "fsync: 'off'\n    work_mem: 9MB", n.DataDir, n.DataDir+"-other", "name: "+n.Name, "name: other")
	l.WaitHealthy(20 * time.Second)
	if n.Postmaster() != before {
		t.Errorf("the postmaster was %d and is %d", before, n.Postmaster())
	}
}
