package chaos

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

func TestMain(m *testing.M) {
	code := m.Run()
	lab.Cleanup()
	os.Exit(code)
}

// fast has the shortest session timeout, for faults that cost one.
const (
	fast = `ttl: 5
loop_wait: 1
retry_timeout: 2
postgresql:
  use_pg_rewind: true
  remove_data_directory_on_rewind_failure: true
  remove_data_directory_on_diverged_timelines: true
`
	fastTTL = 5 * time.Second
)

// nightly tells whether faults may take as long as in a nightly run.
func nightly() bool { return os.Getenv("PGREGENT_CHAOS") == "full" }

// long chooses between the length of a fault in each run and in a nightly one.
func long(each, full time.Duration) time.Duration {
	if nightly() {
		return full
	}
	return each
}

// options shape a bed.
type options struct {
	dcs  string
	node func(name string) string
	// servers of ZooKeeper, 1 if 0.
	servers int
	// hosts puts every node and server on a host of its own.
	hosts bool
	nodes int // 3 if 0
	// first is started alone, so that it bootstraps the cluster; "": all
	// start at once.
	first string
}

// bed is a cluster under load from every side, and one fault.
type bed struct {
	*lab.Lab
	t        *testing.T
	ensemble *Ensemble
	net      *Network // nil on loopback
	load     *Load
	leader   *lab.Node // when the fault begins
	settled  time.Time
	from     time.Time
}

func newBed(t *testing.T, o options) *bed {
	t.Helper()
	b := &bed{t: t}
	labOptions := lab.Options{Nodes: max(o.nodes, 3), DCS: o.dcs, Node: o.node, Lazy: true}
	if o.nodes > 0 {
		labOptions.Nodes = o.nodes
	}
	where, clients := lab.Loopback(), "127.0.0.1/32"
	if o.hosts {
		b.net = NewNetwork(t, "pg1", "pg2", "pg3", "zk1", "zk2", "zk3")
		where, clients = b.net, subnet
		labOptions.Hosts = b.net
		labOptions.HBA = []string{"host all all " + subnet + " scram-sha-256", "host replication all " + subnet + " scram-sha-256"}
	}
	labOptions.HBA = append([]string{"host postgres " + writerRole + " " + clients + " trust"}, labOptions.HBA...)
	b.ensemble = StartEnsemble(t, where, max(o.servers, 1))
	labOptions.ZooKeeper = b.ensemble.Addresses()
	b.Lab = lab.New(t, labOptions)
	b.startNodes(o.first)
	b.load = StartLoad(t, b.WaitAgreed(30*time.Second), b.Nodes)
	b.settle()
	return b
}

func (b *bed) startNodes(first string) {
	b.t.Helper()
	if first != "" {
		b.Node(first).Start()
		b.WaitHealthy(60 * time.Second)
	}
	for _, n := range b.Nodes {
		if n.Name != first {
			n.Start()
		}
	}
	b.WaitHealthy(60 * time.Second)
}

// settle lets all standbys catch up with what is acknowledged by now, and
// begins a new observation.
func (b *bed) settle() {
	b.t.Helper()
	b.awaitWrites(time.Now(), "", 50, 20*time.Second)
	b.leader = b.WaitAgreed(30 * time.Second)
	b.settled = time.Now()
	target, err := b.leader.Query("SELECT pg_current_wal_insert_lsn()")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, n := range b.Nodes {
		if n == b.leader {
			continue
		}
		b.Wait(20*time.Second, n.Name+" to catch up", func() string {
			caughtUp, err := n.Query("SELECT pg_last_wal_replay_lsn() >= '" + target + "'::pg_lsn")
			if err != nil || caughtUp != "true" {
				return fmt.Sprint("behind ", target, err)
			}
			return ""
		})
	}
	b.from = time.Now()
}

// awaitWrites waits for n writes that a node ("": any) acknowledged and that
// were sent after from. It tells when the first was acknowledged.
func (b *bed) awaitWrites(from time.Time, node string, n int, limit time.Duration) time.Time {
	b.t.Helper()
	var first time.Time
	b.Wait(limit, fmt.Sprintf("%d acknowledged writes of %q", n, node), func() string {
		count, at := b.load.Since(from, node)
		if first = at; count < n {
			return fmt.Sprintf("%d came", count)
		}
		return ""
	})
	return first
}

// awaitSuccessor waits until another node than the old leader acknowledges
// writes, and tells how long after the fault it did.
func (b *bed) awaitSuccessor(limit time.Duration) time.Duration {
	b.t.Helper()
	var took time.Duration
	b.Wait(limit, "writes on another node than "+b.leader.Name, func() string {
		for _, n := range b.Nodes {
			if n == b.leader {
				continue
			}
			if count, first := b.load.Since(b.from, n.Name); count > 0 {
				took = first.Sub(b.from)
				return ""
			}
		}
		return "none came"
	})
	return took
}

// hold lets a fault last: its length is part of the case, nothing is waited
// for.
func (b *bed) hold(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.t.Context().Done():
	}
}

// recovered waits until writes go on and all nodes stream, and judges what
// was seen since the last settle: two primaries and lost rows that were on all
// nodes are errors.
func (b *bed) recovered(what string) Report {
	b.t.Helper()
	r := b.judge(what)
	if r.Overlap > 0 {
		b.t.Errorf("%s: two nodes acknowledged writes: %s", what, r.pairText())
	}
	if len(r.LostSettled) > 0 {
		b.t.Errorf("%s: %d rows are missing that were on all nodes before the fault: %v", what, len(r.LostSettled), r.LostSettled[:min(len(r.LostSettled), 10)])
	}
	return r
}

// judge is recovered without a verdict.
func (b *bed) judge(what string) Report {
	b.t.Helper()
	b.awaitWrites(time.Now(), "", 50, 60*time.Second)
	leader := b.WaitAgreed(60 * time.Second)
	h := History{Acks: b.load.Acks(), Settled: b.settled, From: b.from, To: time.Now()}
	have, err := present(leader)
	if err != nil {
		b.t.Fatal(err)
	}
	h.Present = have
	r := Check(h)
	b.t.Logf("%s: %v", what, r)
	return r
}

// sameLeader checks that nobody else took over, and that the primary was
// never demoted: that would have begun another timeline.
func (b *bed) sameLeader() {
	b.t.Helper()
	if got := b.Leader(); got != b.leader {
		b.t.Errorf("the leader is %s, was %s", got.Name, b.leader.Name)
	}
	timelines := map[string]bool{}
	for _, a := range b.load.Acks() {
		timelines[a.Timeline] = true
	}
	if len(timelines) != 1 {
		b.t.Errorf("writes went to the timelines %v, want one", timelines)
	}
}

// hiccup is the longest that writes may stand still where nothing is to stop
// them: a busy machine does that too.
const hiccup = 5 * time.Second

// steady checks that no client was without a primary for longer than hiccup.
func steady(t *testing.T, r Report) {
	t.Helper()
	if worst := max(r.GapKeptOpen, r.GapNew); worst > hiccup {
		t.Errorf("no write was acknowledged for %v, want at most %v", worst, hiccup)
	}
}

// isStandby checks that a node is one.
func isStandby(t *testing.T, n *lab.Node) {
	t.Helper()
	if got, err := n.Query("SELECT pg_is_in_recovery()"); err != nil || got != "true" {
		t.Errorf("%s: in recovery: %s (%v), want true", n.Name, got, err)
	}
}
