package e2e

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// fast has the shortest session timeout, for faults that cost one.
const fast = `ttl: 5
loop_wait: 1
retry_timeout: 2
postgresql:
  use_pg_rewind: true
  remove_data_directory_on_rewind_failure: true
  remove_data_directory_on_diverged_timelines: true
`

func TestMain(m *testing.M) {
	if asPlugin() {
		return
	}
	code := m.Run()
	lab.Cleanup()
	os.Exit(code)
}

// run is a cluster under write load, with what was settled before the fault.
type run struct {
	*lab.Lab
	t       *testing.T
	leader  *lab.Node
	writer  *lab.Writer
	probes  *lab.Probes
	settled []lab.Ack
	// lost are the rows that an earlier fault cost, as it may where
	// replication is asynchronous: no later one can keep them.
	lost []int64
	from time.Time
	// served is who led when it was settled, with which postmaster.
	served string
}

// hiccup is the longest that writes may stand still where nothing is to stop
// them: a busy machine does that too. How long they do is measured in
// test/bench.
const hiccup = 5 * time.Second

// under starts a cluster and load, and lets the standbys catch up with what
// was written until then.
func under(t *testing.T, dcs string) *run {
	t.Helper()
	t.Parallel() // most of a test waits: for sessions, for standbys
	l := lab.New(t, lab.Options{DCS: dcs})
	l.CreateTable()
	r := &run{Lab: l, t: t, leader: l.Leader(), writer: l.NewWriter(1), probes: l.NewProbes()}
	r.settle()
	return r
}

// settle notes what is acknowledged and replicated, and when the fault may
// come.
func (r *run) settle() {
	r.t.Helper()
	r.writer.AwaitMore(50, 20*time.Second)
	r.settled = slices.DeleteFunc(r.acks(), func(a lab.Ack) bool { return slices.Contains(r.lost, a.ID) })
	target, err := r.Leader().Query("SELECT pg_current_wal_flush_lsn()")
	if err != nil {
		r.t.Fatal(err)
	}
	r.served = r.serving()
	for _, n := range r.Standbys() {
		r.Wait(10*time.Second, n.Name+" to catch up", func() string {
			caughtUp, err := n.Query("SELECT pg_last_wal_replay_lsn() >= '" + target + "'::pg_lsn")
			if err != nil || caughtUp != "true" {
				return fmt.Sprint("behind ", target, err)
			}
			return ""
		})
	}
	r.from = time.Now()
}

// recovered waits until writes go on and all nodes stream, and checks the
// promises. It returns the write gap.
func (r *run) recovered(limit time.Duration) time.Duration {
	r.t.Helper()
	r.writer.AwaitMore(50, limit) // a view of before the fault may still look healthy
	leader := r.WaitHealthy(limit)
	gap := r.writer.Gap(r.from)
	r.check(leader)
	return gap
}

func (r *run) acks() []lab.Ack { return append(r.writer.Acks(), r.probes.Acks()...) }

func (r *run) check(leader *lab.Node) {
	r.t.Helper()
	after := r.acks()
	if lost := leader.Missing(r.settled); len(lost) > 0 {
		r.t.Errorf("%d rows that were acknowledged and replicated before the fault are missing: %v", len(lost), lost[:min(len(lost), 10)])
	}
	if lost := leader.Missing(after); len(lost) > 0 {
		r.t.Logf("%d of %d acknowledged rows are missing (asynchronous replication)", len(lost), len(after))
		r.lost = lost
	}
	if both := r.probes.Overlap(time.Second); both > 0 {
		r.t.Errorf("two nodes acknowledged writes during %v", both)
	}
}

// serving is who leads, with which postmaster.
func (r *run) serving() string {
	r.t.Helper()
	leader := r.Leader()
	if leader == nil {
		return "nobody"
	}
	return fmt.Sprint(leader.Name, " with pid ", leader.Postmaster())
}

// undisturbed checks that writes went on as before the event.
func (r *run) undisturbed(event string) {
	r.t.Helper()
	if now := r.serving(); now != r.served {
		r.t.Errorf("%s: %s leads, before it %s did", event, now, r.served)
	}
	if gap := r.writer.Gap(r.from); gap > hiccup {
		r.t.Errorf("%s: writes stood still for %v", event, gap)
	}
}

// noneLost checks that every acknowledged row is there, also of the time
// around the fault.
func (r *run) noneLost() {
	r.t.Helper()
	if lost := r.writer.Missing(r.Leader()); len(lost) > 0 {
		r.t.Errorf("%d acknowledged rows are missing: %v", len(lost), lost[:min(len(lost), 10)])
	}
}

// post sends an operator's request and expects a code.
func post(t *testing.T, n *lab.Node, path, body string, want int) string {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		code, text, err := n.Call(http.MethodPost, path, body)
		// A node is in order a moment before the work that made it so has ended.
		busy := code == http.StatusServiceUnavailable && strings.HasSuffix(text, " already in progress")
		if err == nil && code == want {
			return text
		}
		if !busy || want != http.StatusOK || time.Now().After(deadline) {
			t.Fatalf("POST %s %s: got %d %q (%v), want %d", path, body, code, text, err, want)
		}
		time.Sleep(50 * time.Millisecond) // between two tries
	}
}

func count(haystack, needle string) int { return strings.Count(haystack, needle) }
