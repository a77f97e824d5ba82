package e2e

import (
	"fmt"
	"testing"
	"time"
)

// TestStopTimeout has an archiver that holds up every orderly stop.
func TestStopTimeout(t *testing.T) {
	r := under(t, fast+`  parameters:
    archive_mode: 'on'
    archive_command: 'sleep 600'
synchronous_mode: true
primary_stop_timeout: 4
`)
	r.Wait(20*time.Second, "a synchronous standby", func() string {
		for _, n := range r.Standbys() {
			if code, _, err := n.Call("GET", "/sync", ""); err == nil && code == 200 {
				return ""
			}
		}
		return "none"
	})
	r.leader.MustExec("SELECT pg_switch_wal()") // there is something to archive
	old := r.leader
	r.Wait(20*time.Second, "the synchronous standby to have the whole segment", func() string {
		// A candidate may be maximum_lag_on_failover behind, and a switched
		// segment is longer than that.
		text, err := old.Query("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn) < 1000000")
		if err != nil || text != "1" {
			return fmt.Sprint(text, err)
		}
		return ""
	})
	post(t, old, "/switchover", fmt.Sprintf(`{"leader": %q}`, old.Name), 200)
	if leader := r.recoveredLeader(60 * time.Second); leader == old {
		t.Error("the leader did not change")
	}
	if count(old.Log(), "primary_stop_timeout") == 0 && count(old.Log(), "killing") == 0 {
		t.Log("the archiver did not hold the stop up")
	}
	r.noneLost()
}
