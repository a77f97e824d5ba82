package e2e

import (
	"fmt"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/test/lab"
)

func TestKilledBackendIsPostgreSQLsOwnBusiness(t *testing.T) {
	r := under(t, lab.DefaultDCS)
	text, err := r.leader.Query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	postmaster := r.leader.Postmaster()
	_ = syscall.Kill(pid, syscall.SIGKILL)
	t.Logf("write gap %v", r.recovered(30*time.Second).Round(time.Millisecond))
	if r.Leader() != r.leader || r.leader.Postmaster() != postmaster {
		t.Errorf("a killed backend moved the leader to %s, or restarted the postmaster", r.Leader().Name)
	}
	r.noneLost()
}

func TestStandbyPromotedByHandIsTakenBack(t *testing.T) {
	r := under(t, lab.DefaultDCS)
	victim := r.Standbys()[0]
	if _, err := victim.Query("SELECT pg_promote(false)"); err != nil {
		t.Fatal(err)
	}
	r.Wait(30*time.Second, "the promoted standby to be a standby again", func() string {
		if n := count(victim.Log(), "rule=primary-without-lease"); n == 0 {
			return "its promotion was not noticed"
		}
		if got, err := victim.Query("SELECT pg_is_in_recovery()"); err != nil || got != "true" {
			return fmt.Sprint(got, err)
		}
		return ""
	})
	r.writer.AwaitMore(50, 20*time.Second)
	if leader := r.WaitHealthy(60 * time.Second); leader != r.leader {
		t.Errorf("the leader changed to %s", leader.Name)
	}
	// For a moment there were two: whoever promotes by hand asked for it. What
	// counts is how long, and that the cluster's own history lost nothing.
	t.Logf("two nodes acknowledged writes during %v", r.probes.Overlap(time.Second))
	if lost := r.writer.Missing(r.leader); len(lost) > 0 {
		for _, a := range r.writer.Acks() {
			if a.Node == strconv.Itoa(r.leader.SQLPort) && a.ID == lost[0] {
				t.Errorf("rows that the leader acknowledged are missing: %v", lost)
			}
		}
	}
}

func TestLeaderKeyRemovedByHand(t *testing.T) {
	r := under(t, fast)
	r.RemoveKey("leader")
	r.Wait(20*time.Second, "a leader again", func() string {
		if r.Leader() == nil {
			return "none"
		}
		return ""
	})
	t.Logf("write gap %v", r.recovered(60*time.Second).Round(time.Millisecond))
}

func TestPoisonedKeysHarmNobody(t *testing.T) {
	r := under(t, fast)
	for key, value := range map[string]string{
		"failover": `{"leader": "` + r.leader.Name + `", "scheduled_at": "soon"}`,
		"history":  "\xff\xfe", "status": "garbage", "sync": "[]", "failsafe": "17",
	} {
		r.WriteKey(key, value)
	}
	r.recovered(30 * time.Second)
	r.undisturbed("poisoned keys")
	doc, err := r.leader.GetJSON("/cluster")
	if err != nil || cluster.Text(doc.Get("scope")) != lab.Scope {
		t.Errorf("GET /cluster: %v (%v)", doc, err)
	}
	r.noneLost()
}
