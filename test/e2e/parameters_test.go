package e2e

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/test/lab"
)

// patchLimit is how long a change may take to be in force on all nodes. It
// takes far less than a second; the limit is for machines under load.
const patchLimit = 20 * time.Second

// parameters are changes of every kind of parameter that a reload is enough
// for: JSON and what the server shows then.
var parameters = []struct{ name, json, shown string }{
	{"work_mem", `"7MB"`, "7MB"},                     // a number with a unit
	{"log_min_duration_statement", `1500`, "1500ms"}, // without one
	{"random_page_cost", `1.5`, "1.5"},
	{"log_connections", `true`, "on"},
	{"log_statement", `"ddl"`, "ddl"}, // an enumeration
	{"IntervalStyle", `"iso_8601"`, "iso_8601"},
	{"krb_server_keyfile", `"it's \\ \"q\" %"`, `it's \ "q" %`},
	{"my.setting", `"é x"`, "é x"}, // of an extension
	{"hot_standby_feedback", `"on"`, "on"},
	{"wal_keep_size", `"64MB"`, "64MB"},
}

// TestParametersByPatch changes parameters of every kind on three live nodes.
func TestParametersByPatch(t *testing.T) {
	l := lab.New(t, lab.Options{})
	patchReloadable(t, l)
	refuseBroken(t, l)
	patchRestart(t, l)
	shrinkConnections(t, l)
}

func patchConfig(t *testing.T, l *lab.Lab, body string) {
	t.Helper()
	if code, text, err := l.Leader().Call(http.MethodPatch, "/config", body); err != nil || code != 200 {
		t.Fatalf("PATCH /config %s: %d %s %v", body, code, text, err)
	}
}

func patchReloadable(t *testing.T, l *lab.Lab) {
	var fields []string
	for _, p := range parameters {
		fields = append(fields, fmt.Sprintf("%q: %s", p.name, p.json))
	}
	from := time.Now()
	patchConfig(t, l, `{"postgresql": {"parameters": {`+strings.Join(fields, ", ")+`}}}`)
	l.Wait(patchLimit, "parameters in force on all nodes", func() string {
		for _, n := range l.Nodes {
			for _, p := range parameters {
				if got, err := n.Query("SELECT current_setting('" + p.name + "', true)"); err != nil || got != p.shown {
					return fmt.Sprintf("%s: %s is %q, want %q (%v)", n.Name, p.name, got, p.shown, err)
				}
			}
		}
		return ""
	})
	t.Logf("%d parameters are in force on %d nodes after %v", len(parameters), len(l.Nodes), time.Since(from).Round(10*time.Millisecond))
	for _, n := range l.Nodes {
		if reason := pendingOf(n); reason.Len() > 0 {
			t.Errorf("%s waits for a restart: %v", n.Name, reason)
		}
	}
}

// refuseBroken: a value that the server would refuse keeps no node from
// restarting.
func refuseBroken(t *testing.T, l *lab.Lab) {
	patchConfig(t, l, `{"postgresql": {"parameters": {"wal_compression": "squeeze", "shared_bufers": "1GB", "vacuum_cost_limit": 77}}}`)
	l.Wait(patchLimit, "the good one of three parameters", func() string {
		for _, n := range l.Nodes {
			if got, err := n.Query("SHOW vacuum_cost_limit"); got != "77" {
				return fmt.Sprintf("%s: %s %v", n.Name, got, err)
			}
			for _, told := range []string{"did you mean shared_buffers?", "Available values"} {
				if !strings.Contains(n.Log(), told) {
					return n.Name + " does not tell " + told
				}
			}
		}
		return ""
	})
	restart(t, l.Standbys()[0])
	patchConfig(t, l, `{"postgresql": {"parameters": {"wal_compression": null, "shared_bufers": null}}}`)
}

// pendingOf is the reason for which a node waits for a restart.
func pendingOf(n *lab.Node) *cluster.Object {
	doc, err := n.GetJSON("/patroni")
	if err != nil {
		return nil
	}
	return doc.Object("pending_restart_reason")
}

func restart(t *testing.T, n *lab.Node) {
	t.Helper()
	if code, text, err := n.Call(http.MethodPost, "/restart", "{}"); err != nil || code != 200 {
		t.Fatalf("POST /restart of %s: %d %s %v", n.Name, code, text, err)
	}
}

// waitPending waits until a node gives that reason, "{}" for none.
func waitPending(l *lab.Lab, n *lab.Node, want string) {
	l.T.Helper()
	l.Wait(patchLimit, n.Name+" waits for a restart because of "+want, func() string {
		if got := pendingOf(n); got.String() != want && (got.Len() > 0 || want != "{}") {
			return got.String()
		}
		return ""
	})
}

func patchRestart(t *testing.T, l *lab.Lab) {
	patchConfig(t, l, `{"postgresql": {"parameters": {"shared_buffers": "20480kB", "max_connections": 120}}}`)
	for _, n := range l.Nodes {
		waitPending(l, n, `{"max_connections":{"old_value":"100","new_value":"120"},"shared_buffers":{"old_value":"128MB","new_value":"20MB"}}`)
	}
	patchConfig(t, l, `{"postgresql": {"parameters": {"shared_buffers": null}}}`) // set back: nothing to wait for
	for _, n := range append(l.Standbys(), l.Leader()) {                          // a growing one: standbys first
		waitPending(l, n, `{"max_connections":{"old_value":"100","new_value":"120"}}`)
		restart(t, n)
		waitPending(l, n, "{}")
		if got, err := n.Query("SHOW max_connections"); got != "120" {
			t.Errorf("%s: max_connections is %s (%v), want 120", n.Name, got, err)
		}
	}
}

var controlShows60 = regexp.MustCompile(`max_connections setting: +60\n`)

// shrinkConnections: a standby keeps the primary's value until that has
// restarted.
func shrinkConnections(t *testing.T, l *lab.Lab) {
	patchConfig(t, l, `{"postgresql": {"parameters": {"max_connections": 60}}}`)
	const reason = `{"max_connections":{"old_value":"120","new_value":"60"}}`
	for _, n := range l.Nodes {
		waitPending(l, n, reason)
	}
	early := l.Standbys()[0]
	restart(t, early)
	waitPending(l, early, reason)
	restart(t, l.Leader())
	waitPending(l, l.Leader(), "{}")
	for _, n := range l.Standbys() {
		l.Wait(patchLimit, n.Name+" replays the primary's new value", func() string {
			cmd := exec.Command(filepath.Join(lab.BinDir(), "pg_controldata"), n.DataDir)
			cmd.Env = []string{"LC_ALL=C"}
			out, err := cmd.Output()
			if err != nil || !controlShows60.Match(out) {
				return fmt.Sprintf("%s %v", out, err)
			}
			return ""
		})
		restart(t, n)
		waitPending(l, n, "{}")
		if got, err := n.Query("SHOW max_connections"); got != "60" {
			t.Errorf("%s: max_connections is %s (%v), want 60", n.Name, got, err)
		}
	}
	l.WaitHealthy(60 * time.Second)
}
