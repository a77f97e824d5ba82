package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// syncRounds is how many leaders are killed in a row: two, or what the
// environment says (make sync has more).
func syncRounds(t *testing.T) int {
	text := os.Getenv("PGREGENT_SYNC_ROUNDS")
	if text == "" {
		return 2
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("PGREGENT_SYNC_ROUNDS: %v", err)
	}
	return n
}

// TestSynchronousModeLosesNothing kills whole nodes under load: every row
// that was acknowledged must survive, whoever leads afterwards.
func TestSynchronousModeLosesNothing(t *testing.T) {
	for _, mode := range []struct{ name, settings string }{
		{"priority", "synchronous_mode: true\n"},
		{"quorum", "synchronous_mode: quorum\n"},
		{"strict", "synchronous_mode: true\nsynchronous_mode_strict: true\n"},
	} {
		t.Run(mode.name, func(t *testing.T) {
			r := under(t, mode.settings+fast)
			for round := range syncRounds(t) {
				r.waitSynchronous()
				r.writer.AwaitMore(50, 20*time.Second)
				r.from = time.Now()
				r.Leader().KillAll()
				dead := r.leader
				r.writer.AwaitMore(50, 60*time.Second)
				t.Logf("round %d: write gap %v", round, r.writer.Gap(r.from).Round(time.Millisecond))
				dead.Start()
				r.leader = r.WaitHealthy(60 * time.Second)
				r.noneLost()
			}
			r.probes.Stop()
			if both := r.probes.Overlap(time.Second); both > 0 {
				t.Errorf("two nodes acknowledged writes during %v", both)
			}
		})
	}
}

// waitSynchronous waits until the sync key lists standbys that the leader
// waits for.
func (r *run) waitSynchronous() {
	r.t.Helper()
	r.leader = r.Leader()
	r.Wait(30*time.Second, "a synchronous standby", func() string {
		sync := r.syncKey()
		if sync.Leader != r.leader.Name || len(sync.Standbys) == 0 || sync.Quorum >= len(sync.Standbys) {
			return string(sync.Encode())
		}
		return ""
	})
}

func (r *run) syncKey() cluster.SyncState { return cluster.ParseSync([]byte(r.ReadKey("sync")), 0) }

// TestStrictModeBlocks stops all standbys: commits wait, and go on when one
// is back.
func TestStrictModeBlocks(t *testing.T) {
	r := under(t, "synchronous_mode: true\nsynchronous_mode_strict: true\n"+fast)
	r.waitSynchronous()
	standbys := r.Standbys()
	for _, n := range standbys {
		n.KillAll()
	}
	r.Wait(30*time.Second, "commits to wait for a standby", func() string {
		names, err := r.leader.Query("SHOW synchronous_standby_names")
		if err != nil || names != cluster.NoStandby {
			return fmt.Sprint(names, err)
		}
		return ""
	})
	before := r.writer.Count()
	waiting, err := r.leader.Query("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	if err != nil || waiting == "0" {
		t.Errorf("%s commits wait (%v), want some", waiting, err)
	}
	for _, n := range standbys {
		n.Start()
	}
	r.recovered(60 * time.Second)
	r.noneLost()
	t.Logf("%d rows before the standbys came back, %d after", before, r.writer.Count())
}

// TestSynchronousModeGivesWay stops all standbys: without strict mode commits
// go on alone, and nobody else may be promoted then.
func TestSynchronousModeGivesWay(t *testing.T) {
	r := under(t, "synchronous_mode: true\n"+fast)
	r.waitSynchronous()
	standbys := r.Standbys()
	for _, n := range standbys {
		n.KillAll()
	}
	r.writer.AwaitMore(50, 30*time.Second)
	if sync := r.syncKey(); sync.Leader != r.leader.Name || len(sync.Standbys) != 0 {
		t.Errorf("the sync key is %s, want the leader alone", sync.Encode())
	}
	r.leader.KillAll() // the standbys have not got the last rows
	for _, n := range standbys {
		n.Start()
	}
	r.Wait(30*time.Second, "the standbys to refuse the lead", func() string {
		for _, n := range standbys {
			if !strings.Contains(n.Log(), "rule=race-not-synchronous") {
				return n.Name + " has not refused"
			}
		}
		return ""
	})
	r.leader.Start()
	r.recovered(60 * time.Second)
	r.noneLost()
}

// TestModeChangesUnderLoad goes through the modes while rows are written, and
// hands over in each.
func TestModeChangesUnderLoad(t *testing.T) {
	r := under(t, fast)
	for _, patch := range []string{
		`{"synchronous_mode": true}`,
		`{"synchronous_mode": "quorum"}`,
		`{"synchronous_node_count": 2}`,
		`{"synchronous_mode": true}`,
		`{"synchronous_node_count": 1, "synchronous_mode": "quorum"}`,
	} {
		code, text, err := r.Leader().Call("PATCH", "/config", patch)
		if err != nil || code != 200 {
			t.Fatalf("PATCH %s: %d %s (%v)", patch, code, text, err)
		}
		r.settledSync(patch)
		r.from = time.Now()
		post(t, r.Leader(), "/switchover", fmt.Sprintf(`{"leader": %q}`, r.Leader().Name), 200)
		t.Logf("after %s: write gap %v", patch, r.recovered(30*time.Second).Round(time.Millisecond))
		r.noneLost()
	}
	code, _, err := r.Leader().Call("PATCH", "/config", `{"synchronous_mode": null}`)
	if err != nil || code != 200 {
		t.Fatal(code, err)
	}
	r.Wait(20*time.Second, "synchronous replication to be off", func() string {
		names, err := r.Leader().Query("SHOW synchronous_standby_names")
		if err != nil || names != "" || r.ReadKey("sync") != "{}" {
			return fmt.Sprint(names, r.ReadKey("sync"), err)
		}
		return ""
	})
}

// settledSync waits until the names and the key are what the settings ask for.
func (r *run) settledSync(patch string) {
	r.t.Helper()
	r.Wait(30*time.Second, "synchronous replication to settle after "+patch, func() string {
		leader := r.Leader()
		doc, err := leader.GetJSON("/config")
		if err != nil {
			return err.Error()
		}
		s, _ := cluster.ParseSettings(doc)
		names, err := leader.Query("SHOW synchronous_standby_names")
		sync := r.syncKey()
		got, _ := cluster.ParseSyncNames(names)
		want, quorum := s.SynchronousNodeCount, 0
		if s.Quorum() {
			want, quorum = 2, 2-s.SynchronousNodeCount
		}
		if err != nil || got.Any != s.Quorum() || len(got.Names) != want || len(sync.Standbys) != want || sync.Quorum != quorum || sync.Leader != leader.Name {
			return fmt.Sprint(names, " ", string(sync.Encode()), err)
		}
		return ""
	})
}

// TestSynchronousStandbyLeavesInOrder stops a synchronous standby: it leaves
// the key first, and no commit waits for it.
func TestSynchronousStandbyLeavesInOrder(t *testing.T) {
	r := under(t, "synchronous_mode: true\n"+fast)
	r.waitSynchronous()
	name := r.syncKey().Standbys[0]
	r.from = time.Now()
	r.Node(name).Signal(syscall.SIGTERM)
	if code := r.Node(name).WaitExit(30 * time.Second); code != 0 {
		t.Errorf("the agent ended with %d", code)
	}
	r.writer.AwaitMore(50, 20*time.Second)
	if gap := r.writer.Gap(r.from); gap > hiccup {
		t.Errorf("commits waited %v for a standby that was stopped in order", gap)
	}
	if !strings.Contains(r.Node(name).Log(), "left the synchronous standbys") {
		t.Error("the standby did not wait until it was off the list")
	}
	r.Node(name).Start()
	r.recovered(30 * time.Second)
	r.noneLost()
}
