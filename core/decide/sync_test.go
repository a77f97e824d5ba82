package decide

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

func synced(leader string, quorum int, standbys ...string) cluster.SyncState {
	return cluster.SyncState{Leader: leader, Quorum: quorum, Standbys: standbys, Version: 3, Exists: true}
}

func syncCases() []testCase {
	on := func(sync cluster.SyncState, more func(*View)) func(*View) {
		return func(v *View) {
			free(v)
			v.Settings.SynchronousMode, v.Cluster.Sync = "on", sync
			v.Peers = []Peer{peer("b", 5000), peer("c", 5000)}
			if more != nil {
				more(v)
			}
		}
	}
	quorum := func(sync cluster.SyncState, more func(*View)) func(*View) {
		return on(sync, func(v *View) {
			v.Settings.SynchronousMode = "quorum"
			if more != nil {
				more(v)
			}
		})
	}
	return []testCase{
		{"a standby that the sync key does not list stays behind", standbyOf, on(synced("b", 0, "c"), nil), Wait, "race-not-synchronous", "does not list"},
		{"a listed standby takes the lock", standbyOf, on(synced("b", 0, "A"), nil), Acquire, "race", ""},
		{"the former leader takes the lock back", standbyOf, on(synced("a", 0), nil), Acquire, "race", ""},
		{"of two listed standbys the one with more log leads", standbyOf, on(synced("x", 0, "a", "b"), func(v *View) { v.Peers[0].Position = 6000 }), Wait, "race", "ahead"},
		{"what the former leader has beyond the listed standbys was not confirmed", standbyOf, on(synced("b", 0, "a"), func(v *View) { v.Peers[0].Position = 6000 }), Acquire, "race", ""},
		{"a failover to an asynchronous standby is the operator's choice", standbyOf, on(synced("b", 0, "c"), func(v *View) {
			v.Cluster.Failover = cluster.Failover{Candidate: "a"}
		}), Acquire, "race-failover", ""},
		{"a switchover to an asynchronous standby is not", standbyOf, on(synced("b", 0, "c"), func(v *View) {
			v.Cluster.Failover = cluster.Failover{Leader: "b", Candidate: "a"}
		}), Wait, "race-not-synchronous", ""},
		{"synchronous mode that was switched off binds nobody", standbyOf, on(synced("b", 0, "c"), func(v *View) { v.Settings.SynchronousMode = "off" }), Acquire, "race", ""},
		{"an adopted primary that the sync key does not name does not take the lock back", healthy, func(v *View) {
			v.Lease, v.Adopted = lease.Lease{}, true
			free(v)
			v.Settings.SynchronousMode, v.Cluster.Sync = "on", synced("b", 0, "c")
		}, Demote, "primary-without-lease", ""},
		{"a sync key that cannot be read lets nobody lead", standbyOf, on(cluster.SyncState{Exists: true, Broken: true}, nil), Wait, "race-not-synchronous", ""},
		{"quorum: one voter's word is enough", standbyOf, quorum(synced("b", 1, "a", "c"), func(v *View) { v.Peers = []Peer{peer("c", 4000)} }), Acquire, "race", ""},
		{"quorum: nobody answers", standbyOf, quorum(synced("b", 1, "a", "c"), func(v *View) { v.Peers = []Peer{{Name: "c"}} }), Wait, "race", "0 of the voters"},
		{"quorum: a voter that must not lead votes all the same", standbyOf, quorum(synced("b", 1, "a", "c"), func(v *View) {
			v.Peers = []Peer{{Name: "c", Reachable: true, Position: 5000, Timeline: 1, NoFailover: true}}
		}), Acquire, "race", ""},
		{"quorum: the word of a voter that is ahead is none", standbyOf, quorum(synced("b", 1, "a", "c"), func(v *View) {
			v.Peers = []Peer{{Name: "c", Reachable: true, Position: 6000, Timeline: 1, NoFailover: true}}
		}), Wait, "race", "0 of the voters"},
		{"quorum: who is not listed needs one more", standbyOf, quorum(synced("b", 0, "c"), func(v *View) { v.Peers = []Peer{peer("x", 1)} }), Wait, "race", "asks for 1"},
		{"quorum: who is not listed and is not behind a voter", standbyOf, quorum(synced("b", 0, "c"), func(v *View) { v.Peers = []Peer{peer("c", 5000)} }), Acquire, "race", ""},
		{"a switchover goes to a listed standby", healthy, func(v *View) {
			v.Settings.SynchronousMode, v.Cluster.Sync = "on", synced("a", 0, "c")
			v.Cluster.Failover = cluster.Failover{Leader: "a"}
			v.Peers = []Peer{peer("b", 5000), peer("c", 4000)}
		}, HandOver, "hand-over", "c takes over"},
		{"a switchover to another is refused", healthy, func(v *View) {
			v.Settings.SynchronousMode, v.Cluster.Sync = "on", synced("a", 0, "c")
			v.Cluster.Failover = cluster.Failover{Leader: "a", Candidate: "b"}
			v.Peers = []Peer{peer("b", 5000), peer("c", 4000)}
		}, ClearFailover, "hand-over", "not a synchronous standby"},
		{"a failover to another is not", healthy, func(v *View) {
			v.Settings.SynchronousMode, v.Cluster.Sync = "on", synced("a", 0, "c")
			v.Cluster.Failover = cluster.Failover{Candidate: "b"}
			v.Peers = []Peer{peer("b", 5000), peer("c", 4000)}
		}, HandOver, "hand-over", "b takes over"},
		{"quorum: too few voters to hand over to", healthy, func(v *View) {
			v.Settings.SynchronousMode, v.Cluster.Sync = "quorum", synced("a", 1, "b", "c")
			v.Cluster.Failover = cluster.Failover{Leader: "a"}
			v.Peers = []Peer{peer("b", 5000), {Name: "c"}}
		}, ClearFailover, "hand-over", "2 voters"},
	}
}

// syncNode is a standby of the model below.
type syncNode struct {
	at cluster.LSN // flushed
	up bool
}

// syncModel is a primary "a" with standbys under random changes: it plays the
// part of the agent that carries out NextSync.
type syncModel struct {
	t     *testing.T
	rnd   *rand.Rand
	v     View
	nodes map[string]*syncNode
	log   []string
	acked cluster.LSN
}

func newSyncModel(t *testing.T, seed uint64) *syncModel {
	m := &syncModel{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), v: healthy(), nodes: map[string]*syncNode{}}
	m.v.Cluster.Members, m.v.Instance.WriteLSN = m.v.Cluster.Members[:1], 1000
	m.acked = 1000
	for i := range 2 + m.rnd.IntN(4) {
		name := string(rune('b' + i))
		m.nodes[name] = &syncNode{at: 1000, up: true}
		m.v.Cluster.Members = append(m.v.Cluster.Members, member(name, cluster.RoleReplica, 0))
	}
	m.v.Cluster.Sync.Version = cluster.NoVersion
	m.settings()
	return m
}

func (m *syncModel) settings() {
	s := &m.v.Settings
	s.SynchronousMode = []string{"on", "quorum"}[m.rnd.IntN(2)]
	s.SynchronousModeStrict = m.rnd.IntN(2) == 0
	s.SynchronousNodeCount = 1 + m.rnd.IntN(3)
}

// observe makes the view of what is.
func (m *syncModel) observe() View {
	v := m.v
	v.Instance.Replication = nil
	for name, n := range m.nodes {
		if n.up {
			v.Instance.Replication = append(v.Instance.Replication, cluster.WALSender{
				ApplicationName: name, State: "streaming", FlushLSN: n.at, WriteLSN: n.at, ReplayLSN: n.at,
			})
		}
	}
	slices.SortFunc(v.Instance.Replication, func(a, b cluster.WALSender) int { return strings.Compare(a.ApplicationName, b.ApplicationName) })
	return v
}

// acknowledge moves on what clients were told, as PostgreSQL does.
func (m *syncModel) acknowledge() {
	names, err := cluster.ParseSyncNames(m.v.Instance.SyncNames)
	if err != nil {
		m.t.Fatal(err)
	}
	if len(names.Names) == 0 {
		m.acked = m.v.Instance.WriteLSN
		return
	}
	var positions []cluster.LSN
	for _, n := range names.Names {
		if node := m.nodes[strings.ToLower(n)]; node != nil && node.up {
			positions = append(positions, node.at)
		}
	}
	slices.SortFunc(positions, func(a, b cluster.LSN) int { return int(b) - int(a) })
	if len(positions) >= names.Num {
		m.acked = max(m.acked, positions[names.Num-1])
	}
}

// check proves the promise: whoever the key allows to lead has everything
// that was acknowledged.
func (m *syncModel) check() {
	sync := m.v.Cluster.Sync
	if !sync.Active() || sync.Leader != "a" {
		return
	}
	lacking := 0
	for _, name := range sync.Standbys {
		if m.nodes[name].at < m.acked {
			lacking++
		}
	}
	// A candidate that is not behind quorum others of the group lacks a
	// commit only if more than quorum nodes of it do.
	if lacking > sync.Quorum {
		m.t.Fatalf("%d of %v lack an acknowledged commit, quorum %d, names %q\n%s", lacking, sync.Standbys, sync.Quorum, m.v.Instance.SyncNames, strings.Join(m.log, "\n"))
	}
}

// step is what the agent does with one decision.
func (m *syncModel) step() SyncVerb {
	v := m.observe()
	next := NextSync(&v)
	switch next.Verb {
	case SyncState:
		m.log = append(m.log, fmt.Sprintf("sync %s: %s", next.State.Encode(), next.Reason))
		state := next.State
		state.Exists = true
		state.Version++
		m.v.Cluster.Sync = state
	case SyncNames:
		m.log = append(m.log, fmt.Sprintf("names %v: %s", next.Names, next.Reason))
		m.acknowledge()
		m.v.Instance.SyncNames, m.v.Instance.SyncManaged = next.Names.String(), true
		m.v.Sync.Baseline = m.v.Instance.WriteLSN
	}
	return next.Verb
}

// event is something that happens to the servers.
func (m *syncModel) event() {
	m.v.Now = m.v.Now.Add(time.Duration(m.rnd.IntN(3000)) * time.Millisecond)
	m.v.Instance.WriteLSN += cluster.LSN(m.rnd.IntN(50))
	names := make([]string, 0, len(m.nodes))
	for name := range m.nodes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		n := m.nodes[name]
		if m.rnd.IntN(12) == 0 {
			n.up = !n.up
			m.log = append(m.log, fmt.Sprintf("%s up %v", name, n.up))
		}
		if n.up && m.rnd.IntN(3) > 0 {
			n.at += cluster.LSN(m.rnd.Uint64N(uint64(m.v.Instance.WriteLSN-n.at) + 1))
		}
	}
	if m.rnd.IntN(40) == 0 {
		m.settings()
		m.log = append(m.log, fmt.Sprintf("settings %s strict %v count %d", m.v.Settings.SynchronousMode, m.v.Settings.SynchronousModeStrict, m.v.Settings.SynchronousNodeCount))
	}
	if m.rnd.IntN(60) == 0 { // a new agent
		m.v.Sync = SyncMemory{Since: m.v.Now}
		m.log = append(m.log, "new agent")
	}
}

func TestSyncKeepsItsPromise(t *testing.T) {
	for seed := range uint64(500) {
		m := newSyncModel(t, seed)
		for range 150 {
			m.event()
			m.acknowledge()
			m.check()
			m.step()
			m.check()
			m.acknowledge()
			m.check()
		}
		m.settle(seed)
	}
}

// settle lets everything come back: the key must get where it should be.
func (m *syncModel) settle(seed uint64) {
	m.v.Now = m.v.Now.Add(time.Hour)
	for range 60 {
		for _, n := range m.nodes {
			n.up, n.at = true, m.v.Instance.WriteLSN
		}
		m.acknowledge()
		m.check()
		if m.step() == SyncDone {
			break
		}
		m.v.Instance.WriteLSN++
	}
	s, sync := m.v.Settings, m.v.Cluster.Sync
	want, quorum := min(s.SynchronousNodeCount, len(m.nodes)), 0
	if s.Quorum() {
		quorum = len(m.nodes) - want
		want = len(m.nodes)
	}
	if sync.Leader != "a" || len(sync.Standbys) != want || sync.Quorum != quorum {
		m.t.Fatalf("seed %d settles at %s with names %q, want %d standbys and quorum %d (%+v)\n%s", seed, sync.Encode(), m.v.Instance.SyncNames, want, quorum, s, strings.Join(m.log, "\n"))
	}
}

func TestGuarded(t *testing.T) {
	for _, tc := range []struct {
		voters string
		quorum int
		names  string
		want   bool
	}{
		{"", 0, "", true},
		{"b", 0, "", false},
		{"b", 1, "", true}, // a candidate must have looked at the leader itself
		{"b", 0, "b", true},
		{"b c", 0, "b", false},
		{"b c", 1, "b", true},
		{"b c", 0, "2 (b,c)", true},
		{"b c", 0, "ANY 1 (b,c)", false},
		{"b c", 1, "ANY 1 (b,c)", true},
		{"b", 0, "2 (b,c)", true},
		{"b", 0, "ANY 1 (b,c)", false},
		{"b c", 1, "ANY 1 (b,c,d)", false},
		{"b c", 1, "ANY 2 (b,c,d)", true},
		{"b", 0, "*", false}, // strangers may confirm
		{"b", 0, "2 (b,*)", false},
		{"B", 0, "b", true},
	} {
		names, err := cluster.ParseSyncNames(tc.names)
		if err != nil {
			t.Fatal(err)
		}
		if got := guarded(setOf(strings.Fields(tc.voters)), tc.quorum, names); got != tc.want {
			t.Errorf("voters %q, quorum %d, names %q: %v", tc.voters, tc.quorum, tc.names, got)
		}
	}
}

func TestSyncOff(t *testing.T) {
	v := healthy()
	if s := NextSync(&v); s.Verb != SyncDone {
		t.Errorf("nothing is to be done, got %+v", s)
	}
	v.Cluster.Sync, v.Instance.SyncManaged = synced("a", 0, "b"), true
	if s := NextSync(&v); s.Verb != SyncState || string(s.State.Encode()) != "{}" || s.State.Version != 3 {
		t.Errorf("got %+v, want the key blanked first", s)
	}
	v.Cluster.Sync = cluster.SyncState{Version: 4, Exists: true}
	if s := NextSync(&v); s.Verb != SyncNames || s.Names != nil {
		t.Errorf("got %+v, want the configured names", s)
	}
}

func TestStartSync(t *testing.T) {
	for _, tc := range []struct {
		name  string
		mode  string
		more  func(*View)
		names string
		state string
	}{
		{"on", "on", nil, "", `{"leader":"a","quorum":0,"sync_standby":null}`},
		{"strict", "on", func(v *View) { v.Settings.SynchronousModeStrict = true }, cluster.NoStandby, `{"leader":"a","quorum":0,"sync_standby":null}`},
		{"quorum", "quorum", func(v *View) { v.Cluster.Sync = synced("b", 1, "a", "c") }, "ANY 1 (b,c)", `{"leader":"a","quorum":1,"sync_standby":"b,c"}`},
		{"quorum of a node that is not listed", "quorum", func(v *View) { v.Cluster.Sync = synced("b", 1, "d", "c") }, "ANY 2 (b,c,d)", `{"leader":"a","quorum":1,"sync_standby":"b,c,d"}`},
		{"quorum 0", "quorum", func(v *View) { v.Cluster.Sync = synced("b", 0, "a", "c") }, "ANY 2 (b,c)", `{"leader":"a","quorum":0,"sync_standby":"b,c"}`},
		{"quorum without standbys", "quorum", func(v *View) { v.Cluster.Sync = synced("a", 0) }, "", `{"leader":"a","quorum":0,"sync_standby":null}`},
		{"quorum, first time", "quorum", nil, "", `{"leader":"a","quorum":0,"sync_standby":null}`},
	} {
		v := standbyOf()
		v.Settings.SynchronousMode, v.Cluster.Sync = tc.mode, synced("b", 0, "a")
		if tc.mode == "quorum" {
			v.Cluster.Sync = cluster.SyncState{}
		}
		if tc.more != nil {
			tc.more(&v)
		}
		got := StartSync(&v)
		state := ""
		if got.State != nil {
			state = string(got.State.Encode())
		}
		if got.Names == nil || got.Names.String() != tc.names || state != tc.state {
			t.Errorf("%s: got %v, %s", tc.name, got.Names, state)
		}
	}
	if v := standbyOf(); StartSync(&v).Names != nil || StartSync(&v).State != nil {
		t.Error("without synchronous mode there is nothing to prepare")
	}
}
