package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/test/lab"
)

// scheduled waits until the row of a member in GET /cluster has, or has not, a
// scheduled restart.
func scheduled(r *run, n *lab.Node, want bool) {
	r.t.Helper()
	r.Wait(20*time.Second, fmt.Sprintf("%s to have a scheduled restart: %v", n.Name, want), func() string {
		doc, err := n.GetJSON("/cluster")
		if err != nil {
			return err.Error()
		}
		rows, _ := doc.Get("members").([]any)
		for _, v := range rows {
			if row, ok := v.(*cluster.Object); ok && cluster.Text(row.Get("name")) == n.Name && row.Has("scheduled_restart") == want {
				return ""
			}
		}
		return doc.String()
	})
}

func TestScheduledRestart(t *testing.T) {
	r := under(t, fast)
	in := func(d time.Duration, more string) string {
		return fmt.Sprintf(`{"schedule": %q%s}`, time.Now().Add(d).UTC().Format("2006-01-02T15:04:05.000000-07:00"), more)
	}
	standby := r.Standbys()[0]
	pids := map[*lab.Node]int{r.leader: r.leader.Postmaster(), standby: standby.Postmaster()}
	changed := func(n *lab.Node) {
		t.Helper()
		r.Wait(30*time.Second, n.Name+" to restart", func() string {
			if pid := n.Postmaster(); pid == 0 || pid == pids[n] {
				return fmt.Sprint("postmaster ", pid)
			}
			return ""
		})
		scheduled(r, n, false)
		r.WaitHealthy(30 * time.Second)
		pids[n] = n.Postmaster()
	}

	t.Log("both restart when it is time, and the lock is kept")
	post(t, standby, "/restart", in(3*time.Second, `, "role": "replica"`), 202)
	post(t, r.leader, "/restart", in(3*time.Second, `, "role": "primary", "timeout": 30`), 202)
	post(t, r.leader, "/restart", in(time.Hour, ""), 409)
	scheduled(r, r.leader, true)
	changed(standby)
	changed(r.leader)
	if r.Leader() != r.leader {
		t.Errorf("the leader is %s, want %s", r.Leader().Name, r.leader.Name)
	}

	t.Log("one with conditions that do not hold is dropped")
	post(t, standby, "/restart", in(2*time.Second, `, "restart_pending": true`), 202)
	scheduled(r, standby, true)
	scheduled(r, standby, false)
	if standby.Postmaster() != pids[standby] {
		t.Error("restarted although nothing was pending")
	}

	t.Log("one of a server that was restarted since is dropped, one can be taken back")
	post(t, standby, "/restart", in(time.Hour, ""), 202)
	post(t, standby, "/restart", "", 200)
	changed(standby)
	post(t, standby, "/restart", in(time.Hour, ""), 202)
	scheduled(r, standby, true)
	if code, text, err := standby.Call(http.MethodDelete, "/restart", ""); code != 200 {
		t.Errorf("DELETE /restart: got %d %q (%v)", code, text, err)
	}
	scheduled(r, standby, false)
	r.recovered(30 * time.Second)
	r.noneLost()
}
