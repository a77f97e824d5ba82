package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

const columns = "LSAFTPQXNZY"

// checks is the table. In each row the letters are the states that are
// answered 200, a question mark those that depend on the moment; all others
// are 503.
var checks = []struct{ paths, ok, open string }{
	{"/ /primary /master /read-write /foo-primary /primary/x", "LP", ""},
	{"/primary?tag_zone=a /primary?lag=0", "LP", ""},
	{"/leader", "LFP", ""},
	{"/standby-leader /standby_leader", "F", ""},
	{"/replica /replica/ /foo-replica", "SAQNZY", ""},
	{"/replica?lag=abc /replica?lag=10MiB /replica?lag= /replica?lag=1TB /replica?replication_state=x", "SAQNZY", ""},
	{"/replica?tag_zone=a", "", ""},
	{"/replica?lag=-1", "", "NZY"},
	{"/read-only", "LSAFPQNZY", ""},
	{"/read-only?tag_zone=a", "", ""},
	{"/sync /synchronous", "SN", ""},
	{"/async /asynchronous", "AQ", ""},
	{"/read-only-sync /read-only-synchronous", "LSFPN", ""},
	{"/quorum", "", ""},
	{"/read-only-quorum", "LFP", ""},
	{"/health /healthz", "LSAFPQNZY", ""},
	{"/health?tag_zone=a", "", ""},
	{"/nothing /async/ /sync/x /%70rimary /livez", "", ""},
	{"/liveness", "LSAFTPQXNZY", ""},
	{"/readiness", "LSAFPQ", "ZY"},
	{"/readiness?lag=0&mode=write", "LF", "SAPQZY"},
}

// reads are answered the same in every state but without ZooKeeper.
var reads = []struct {
	method, path string
	with, cut    int
}{
	{"GET", "/patroni", 200, 200},
	{"GET", "/patroni/x", 200, 200},
	{"HEAD", "/patroni", 503, 503},
	{"GET", "/cluster", 200, 503},
	{"OPTIONS", "/cluster", 503, 503},
	{"GET", "/history", 200, 503},
	{"GET", "/config", 200, 503},
	{"GET", "/failsafe", 502, 503},
	{"GET", "/metrics", 200, 200},
	{"GET", "/openapi.json", 200, 200},
	{"GET", "/whatif", 400, 400},
	{"HEAD", "/config", 503, 503},
	{"POST", "/primary", 501, 501},
	{"DELETE", "/reinitialize", 501, 501},
	{"BREW", "/primary", 501, 501},
}

// orders change nothing: they are refused. They are sent to a leader.
var orders = []struct {
	method, path, body string
	code               int
	text               string
}{
	{"POST", "/switchover", `{}`, 400, ""},
	{"POST", "/switchover", `[]`, 400, ""},
	{"POST", "/switchover", `{"leader": "nobody"}`, 412, "leader name does not match"},
	{"POST", "/switchover", `{"candidate": "nobody"}`, 400, "Switchover could be performed only from a specific leader"},
	{"POST", "/switchover", `{"leader": "LEADER", "candidate": "nobody"}`, 412, "candidate name does not match with sync_standby"},
	{"POST", "/switchover", `{"leader": "LEADER", "scheduled_at": "2020-01-01T00:00:00Z"}`, 422, "Cannot schedule switchover in the past"},
	{"POST", "/switchover", `{"leader": "LEADER", "scheduled_at": "2099-01-01T00:00:00"}`, 400, "Timezone information is mandatory for the scheduled switchover"},
	{"POST", "/switchover", `{"leader": "LEADER", "scheduled_at": "soon"}`, 422, "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601"},
	{"POST", "/failover", `{"leader": "LEADER"}`, 400, "Failover could be performed only to a specific candidate"},
	{"POST", "/failover", `{"candidate": "nobody"}`, 412, "candidate does not exists"},
	{"DELETE", "/switchover", ``, 404, "no switchover is scheduled"},
	{"DELETE", "/restart", ``, 404, "no restarts are scheduled"},
	{"POST", "/restart", `{"role": "boss"}`, 400, "PostgreSQL role should be either primary, standby_leader, or replica"},
	{"POST", "/restart", `{"timeout": "soon"}`, 400, "Timeout should be a positive number of seconds"},
	{"POST", "/restart", `{"postgres_version": "abc"}`, 400, "Invalid PostgreSQL version: abc"},
	{"POST", "/restart", `{"postgres_version": "9.6"}`, 400, "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: 9.6"},
	{"POST", "/restart", `{"postgres_version": "9.6.1"}`, 503, "restart conditions are not satisfied"},
	{"POST", "/restart", `{"restart_pending": false}`, 503, "restart conditions are not satisfied"},
	{"POST", "/restart", `{"foo": 1}`, 400, "Unknown filter for the scheduled restart: foo"},
	{"POST", "/restart", `{"role": "replica"}`, 503, "restart conditions are not satisfied"},
	{"POST", "/reinitialize", `{}`, 503, "I am the leader, can not reinitialize"},
	{"POST", "/failsafe", `{"name": "a", "conn_url": "b", "api_url": "c"}`, 502, ""},
	{"PATCH", "/config", `{}`, 400, ""},
	{"PATCH", "/config", `{"ttl": `, 400, ""},
	{"PUT", "/config", `null`, 400, ""},
	{"PATCH", "/config", `{"no_such_key": null}`, 200, ""},
	{"POST", "/reload", ``, 202, "reload scheduled"},
	{"POST", "/sigterm", ``, 202, "shutdown scheduled"},
	{"POST", "/citus", `{"type": "before_demote", "group": 1, "leader": "x", "timeout": 1, "cooldown": 1}`, 200, "OK"},
}

func TestTable(t *testing.T) {
	got := map[string]map[rune]int{}
	note := func(row string, state rune, code int) {
		if got[row] == nil {
			got[row] = map[rune]int{}
		}
		got[row][state] = code
	}
	visit(t, "", func(state rune, n *lab.Node) {
		for _, c := range checks {
			for path := range strings.FieldsSeq(c.paths) {
				note(path, state, checkAll(t, state, n, path, c.ok, c.open))
			}
		}
		for _, r := range reads {
			want := r.with
			if state == cutLeader || state == cutStandby {
				want = r.cut
			}
			code, text := ask(t, n, r.method, r.path, "")
			note(r.method+" "+r.path, state, code)
			if code != want {
				t.Errorf("state %c: %s %s: got %d %s, want %d", state, r.method, r.path, code, text, want)
			}
		}
		if state == leading {
			refuseAll(t, n)
		}
		if state == asynchronous {
			hang(t, n)
		}
	})
	print(t, got)
}

// checkAll sends one check with each method: the codes are the same.
func checkAll(t *testing.T, state rune, n *lab.Node, path, ok, open string) int {
	t.Helper()
	want := 503
	if strings.ContainsRune(ok, state) {
		want = 200
	}
	code := 0
	for _, method := range []string{"HEAD", "OPTIONS", "GET"} {
		var text string
		if code, text = ask(t, n, method, path, ""); code != want && !strings.ContainsRune(open, state) {
			t.Errorf("state %c: %s %s: got %d, want %d: %s", state, method, path, code, want, text)
		}
	}
	return code
}

func ask(t *testing.T, n *lab.Node, method, path, body string) (int, string) {
	t.Helper()
	code, text, err := n.Call(method, path, body)
	if err != nil {
		t.Fatalf("%s %s of %s: %v", method, path, n.Name, err)
	}
	return code, text
}

func refuseAll(t *testing.T, n *lab.Node) {
	t.Helper()
	for _, o := range orders {
		code, text := ask(t, n, o.method, o.path, strings.ReplaceAll(o.body, "LEADER", n.Name))
		if code != o.code || o.text != "" && text != o.text {
			t.Errorf("%s %s %s: got %d %q, want %d %q", o.method, o.path, o.body, code, text, o.code, o.text)
		}
	}
}

// hang freezes PostgreSQL and wants the next answers to show it within two
// seconds, and its return too.
func hang(t *testing.T, n *lab.Node) {
	t.Helper()
	pids := n.Servers()
	signal := func(s syscall.Signal) {
		for _, pid := range pids {
			_ = syscall.Kill(pid, s)
		}
	}
	wait := func(path string, want int) time.Duration {
		from := time.Now()
		for deadline := from.Add(20 * time.Second); ; {
			code, _ := ask(t, n, http.MethodGet, path, "")
			if code == want {
				return time.Since(from)
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s is not %d after 20 s", path, want)
			}
			time.Sleep(20 * time.Millisecond) // polling interval
		}
	}
	signal(syscall.SIGSTOP)
	took := wait("/replica", 503)
	signal(syscall.SIGCONT)
	back := wait("/replica", 200)
	t.Logf("a PostgreSQL that hangs was seen after %v, its return after %v", took.Round(time.Millisecond), back.Round(time.Millisecond))
	if took > 6*time.Second { // two seconds, and a busy machine
		t.Errorf("a PostgreSQL that hangs was seen after %v, want 2s and what a busy machine adds", took)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if code, _ := ask(t, n, http.MethodGet, "/readiness", ""); code == 200 {
			return
		}
	}
	t.Error("the standby does not stream again")
}

// print shows the table as it was found.
func print(t *testing.T, got map[string]map[rune]int) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "\nL leader, S synchronous, A asynchronous standby, F standby leader, T starting,\nP paused leader, Q paused standby, "+
		"X PostgreSQL stopped (paused), N nobody leads (paused), Z former leader and Y standby without ZooKeeper\n\n%-45s", "")
	for _, c := range columns {
		fmt.Fprintf(&b, "%4c", c)
	}
	row := func(name string) {
		fmt.Fprintf(&b, "\n%-45s", name)
		for _, c := range columns {
			fmt.Fprintf(&b, "%4d", got[name][c])
		}
	}
	for _, c := range checks {
		for path := range strings.FieldsSeq(c.paths) {
			row(path)
		}
	}
	for _, r := range reads {
		row(r.method + " " + r.path)
	}
	t.Log(b.String())
}
