package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// ctl runs patronictl and expects a sentence in its output.
func (r *run) ctl(want string, args ...string) string {
	r.t.Helper()
	out, err := r.Patronictl(r.t.Context(), args...)
	if err != nil || !strings.Contains(out, want) {
		r.t.Fatalf("patronictl %s: %v, want %q in\n%s", strings.Join(args, " "), err, want, out)
	}
	return out
}

// waitSetting waits until all nodes have a parameter's value.
func (r *run) waitSetting(name, want string) {
	r.t.Helper()
	for _, n := range r.Nodes {
		r.Wait(20*time.Second, fmt.Sprintf("%s = %s on %s", name, want, n.Name), func() string {
			if got, err := n.Query("SHOW " + name); err != nil || got != want {
				return fmt.Sprint(got, err)
			}
			return ""
		})
	}
}

func TestMixedOrders(t *testing.T) {
	r := mixed(t, lab.Options{DCS: mixedDCS}, "pg1", "pg3") // theirs lead first
	// Each kind of agent is copied anew under a leader of the other kind.
	for leader, copied := range map[string]string{"pg1": "pg2", "pg2": "pg3"} {
		if r.leader.Name != leader {
			post(t, r.leader, "/switchover", fmt.Sprintf(`{"leader": %q, "candidate": %q}`, r.leader.Name, leader), 200)
			r.streams(60*time.Second, leader)
		}
		r.settle()
		out := r.ctl("| Leader ", "list")
		if count(out, "| Replica ") != 2 || count(out, "running") != 3 {
			t.Errorf("patronictl list does not show a leader and two replicas that run:\n%s", out)
		}
		r.configBothWays(leader)
		r.restartEach()
		r.pauseAndResume()
		r.reinit(r.Node(copied))
		for _, n := range r.Nodes {
			r.Wait(20*time.Second, n.Name+" to be served, without a pending restart", func() string { return r.serves(n) })
		}
	}
	r.noneLost()
}

// configBothWays changes the dynamic configuration through each kind of agent
// and through patronictl, which writes the key itself.
func (r *run) configBothWays(leader string) {
	r.t.Helper()
	for i, n := range []*lab.Node{r.Node("pg1"), r.Node("pg2")} {
		value := fmt.Sprintf("%dMB", len(leader)+int(leader[2]-'0')*10+i)
		code, text, err := n.Call(http.MethodPatch, "/config", fmt.Sprintf(`{"postgresql": {"parameters": {"work_mem": %q}}}`, value))
		if err != nil || code != http.StatusOK {
			r.t.Fatalf("PATCH /config on %s: %d %q %v", n.Name, code, text, err)
		}
		r.waitSetting("work_mem", value)
	}
	value := fmt.Sprintf("%dMB", int(leader[2]-'0')*10+8)
	r.ctl("Configuration changed", "edit-config", "--force", "-p", "maintenance_work_mem="+value)
	r.waitSetting("maintenance_work_mem", value)
}

// restartEach restarts PostgreSQL on all nodes by patronictl.
func (r *run) restartEach() {
	r.t.Helper()
	var before []int
	for _, n := range r.Nodes {
		before = append(before, n.Postmaster())
	}
	out := r.ctl("Success: restart on member", "restart", "--force", lab.Scope)
	if count(out, "Success: restart on member") != len(r.Nodes) {
		r.t.Errorf("patronictl restart:\n%s", out)
	}
	r.streams(60*time.Second, r.leader.Name)
	for i, n := range r.Nodes {
		if n.Postmaster() == before[i] {
			r.t.Errorf("%s has the same postmaster after a restart", n.Name)
		}
	}
	r.settle()
}

// ctlPause pauses or resumes the cluster by patronictl and waits until all nodes
// have taken notice. patronictl itself waits for little more than loop_wait.
func (r *run) ctlPause(on bool) {
	r.t.Helper()
	order, want := "resume", any(nil)
	if on {
		order, want = "pause", true
	}
	r.ctl("waiting until it is recognized by all nodes", order, "--wait")
	for _, n := range r.Nodes {
		r.Wait(15*time.Second, n.Name+" to notice: "+order, func() string {
			if doc, err := n.GetJSON("/patroni"); err != nil || doc.Get("pause") != want {
				return fmt.Sprint(doc, err)
			}
			return ""
		})
	}
}

// pauseAndResume looks that all nodes take notice and that nothing moves.
func (r *run) pauseAndResume() {
	r.t.Helper()
	r.ctlPause(true)
	r.ctl("Maintenance mode: on", "list")
	r.ctlPause(false)
	r.streams(30*time.Second, r.leader.Name)
}

// reinit copies a standby anew by patronictl.
func (r *run) reinit(n *lab.Node) {
	r.t.Helper()
	old := n.Postmaster()
	r.ctl("Success: reinitialize for member "+n.Name, "reinit", "--force", lab.Scope, n.Name)
	r.Wait(60*time.Second, n.Name+" to be copied", func() string {
		if pid := n.Postmaster(); pid == 0 || pid == old {
			return fmt.Sprint("postmaster ", pid)
		}
		return ""
	})
	r.streams(60*time.Second, r.leader.Name)
}
