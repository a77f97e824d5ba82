package agent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/core/record"
)

// notes is a Recorder that keeps everything.
type notes struct {
	entries []record.Entry
	leading []cluster.Epoch
}

func (n *notes) Record(e record.Entry)       { n.entries = append(n.entries, e) }
func (n *notes) Cycle(string, time.Duration) {}
func (n *notes) Leading(epoch cluster.Epoch) { n.leading = append(n.leading, epoch) }

// teller drives the story of one member by views, on a clock of its own.
type teller struct {
	t     *testing.T
	a     *Agent
	notes *notes
	store *leasedStore
	now   lease.Instant
	v     decide.View
}

var storyStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newTeller(t *testing.T, name string, former *Former) *teller {
	k := &teller{t: t, notes: &notes{}, store: &leasedStore{}, now: lease.Instant(time.Hour)}
	k.a = New(Options{
		Name: name, Scope: "shop", Store: k.store, Peers: nobody{}, Logger: slog.New(slog.DiscardHandler), Recorder: k.notes, Former: former,
		Settings: func(*cluster.Object) (cluster.Settings, []string) { return cluster.DefaultSettings(), nil },
		Clock:    func() lease.Instant { return k.now },
		Wall:     func() time.Time { return storyStart.Add(time.Duration(k.now) - time.Hour) },
	})
	id := "7000000000000000001"
	c := &cluster.Cluster{
		Initialize: &id,
		Leader:     &cluster.Leader{Name: "a", Session: 1, Epoch: 10},
		Members:    []cluster.Member{primaryMember("a", 1), standbyMember("b"), standbyMember("c")},
	}
	k.v = decide.View{Self: name, Cluster: c, Instance: cluster.Instance{Running: true, Ready: true, Standby: true, ReplicationState: "streaming", Timeline: 1, ReceiveLSN: 100, ReplayLSN: 100}}
	if name == "a" {
		k.lead(10)
		k.v.Instance = cluster.Instance{Running: true, Ready: true, Timeline: 1, WriteLSN: 100}
	}
	return k
}

func primaryMember(name string, tl cluster.Timeline) cluster.Member {
	return cluster.Member{Name: name, Data: cluster.MemberData{Role: cluster.RolePrimary, State: cluster.StateRunning, Timeline: tl, APIURL: "http://" + name}}
}

func standbyMember(name string) cluster.Member {
	return cluster.Member{Name: name, Data: cluster.MemberData{Role: cluster.RoleReplica, State: cluster.StateRunning, Timeline: 1, APIURL: "http://" + name}}
}

func (k *teller) lead(epoch cluster.Epoch) {
	k.v.Lease = lease.Lease{Epoch: epoch, Sent: k.now, Params: lease.Params{Timeout: 10 * time.Second, Tick: 2 * time.Second, Interval: time.Second}}
	k.store.set(k.v.Lease)
}

// turn is a round after that time.
func (k *teller) turn(after time.Duration, change func(v *decide.View), d decide.Decision) {
	k.now = k.now.Add(after)
	c := *k.v.Cluster
	k.v.Cluster = &c
	if change != nil {
		change(&k.v)
	}
	k.v.Now, k.v.Wall = k.now, k.a.wall()
	k.store.set(k.v.Lease)
	k.a.s.instance, k.a.s.last = k.v.Instance, d
	k.a.story.look(new(k.v), d)
	k.v.Peers = nil
}

// work is a job of that kind.
func (k *teller) work(kind string, took time.Duration, err error) {
	j := &job{kind: kind, pen: k.a.story.job(kind)}
	k.now = k.now.Add(took)
	k.a.story.jobDone(j, err)
}

func (k *teller) story() record.Story {
	k.t.Helper()
	all := record.Merge(k.notes.entries)
	if len(all) != 1 {
		k.t.Fatalf("%d stories, want one: %+v", len(all), all)
	}
	return all[0]
}

func (k *teller) entry(phase record.Phase) record.Entry {
	k.t.Helper()
	for _, e := range k.story().Phases {
		if e.Phase == phase {
			return e
		}
	}
	k.t.Fatalf("no phase %s in %+v", phase, k.story().Phases)
	return record.Entry{}
}

type nobody struct{ Peers }

func waits(rule string) decide.Decision {
	return decide.Decision{Verb: decide.Wait, Rule: rule, Reason: "because of " + rule}
}

func free(v *decide.View) {
	v.Cluster.Leader, v.Instance.ReplicationState = nil, ""
	v.Cluster.Members = []cluster.Member{standbyMember("b"), standbyMember("c")}
}

func TestTheWinnerTellsEveryPhase(t *testing.T) {
	k := newTeller(t, "b", nil)
	k.turn(0, nil, waits("standby"))
	k.turn(time.Second, func(v *decide.View) { v.Instance.ReplicationState = "" }, waits("standby"))
	k.turn(9*time.Second, func(v *decide.View) {
		free(v)
		v.Peers = []decide.Peer{{Name: "c", Reachable: true, Position: 90, Timeline: 1}, {Name: "a", Err: "refused"}}
	}, decide.Decision{Verb: decide.Acquire, Rule: "race", Reason: "the healthiest"})
	p := k.a.story.acquiring(decide.Decision{Rule: "race", Reason: "the healthiest"})
	k.now = k.now.Add(20 * time.Millisecond)
	k.lead(11)
	k.a.story.acquired(p, true, nil)
	k.turn(time.Millisecond, func(v *decide.View) { v.Cluster.Leader = &cluster.Leader{Name: "b", Epoch: 11} }, decide.Decision{Verb: decide.Promote, Rule: "promote", Reason: "holds the lock"})
	promotion := &job{kind: "promote", pen: k.a.story.job("promote")}
	k.turn(90*time.Millisecond, func(v *decide.View) { // seen before the job says so
		v.Job = &decide.Job{Kind: "promote"}
		v.Instance = cluster.Instance{Running: true, Ready: true, Timeline: 2, WriteLSN: 110}
	}, waits("job"))
	k.now = k.now.Add(10 * time.Millisecond)
	k.a.story.jobDone(promotion, nil)
	k.turn(10*time.Millisecond, func(v *decide.View) {
		v.Job = nil
		v.Instance = cluster.Instance{Running: true, Ready: true, Timeline: 2, WriteLSN: 110}
	}, decide.Decision{Verb: decide.Lead, Rule: "lead"})
	h := k.a.story.during(record.History)
	k.a.story.historyDone(h, 2, nil)

	s := k.story()
	if want := record.Derive("7000000000000000001", "shop", 10); s.ID != want || s.Trace != want {
		t.Errorf("id %v, trace %v, want %v", s.ID, s.Trace, want)
	}
	if s.Kind != record.Failover || s.Cause != record.CauseNodeLost || !s.Guess || s.Old != "a" || s.New != "b" {
		t.Errorf("got %+v", s)
	}
	if got := time.Duration(s.Seconds * float64(time.Second)).Round(time.Millisecond); got != 10131*time.Millisecond {
		t.Errorf("took %v, want 10.131s: from when replication was last seen to the first write", got)
	}
	if s.Longest != "detect on b" || len(s.Gaps) > 0 {
		t.Errorf("longest %q, gaps %+v", s.Longest, s.Gaps)
	}
	race := k.entry(record.Race)
	names := ""
	for _, e := range race.Events {
		names += e.Name + " " + e.Facts["member"] + ";"
	}
	if names != "decision ;peer c;peer a;won ;" || race.Rule != "race" || race.Reason != "the healthiest" {
		t.Errorf("race: %s %+v", names, race)
	}
	for _, e := range s.Phases {
		if e.Phase == record.Change {
			if e.Span != s.ID.Root() || e.Parent != (record.SpanID{}) {
				t.Errorf("root %+v", e)
			}
		} else if e.Parent != s.ID.Root() {
			t.Errorf("%s is not below the root", e.Phase)
		}
	}
	if k.a.story.in != nil {
		t.Error("the winner has more to tell")
	}
	if !slices.Equal(k.notes.leading, []cluster.Epoch{11}) {
		t.Errorf("leading: %v", k.notes.leading)
	}
}

func TestALoserFollowsInTheSameStory(t *testing.T) {
	k := newTeller(t, "c", nil)
	k.turn(0, nil, waits("standby"))
	k.turn(5*time.Second, free, waits("race"))
	k.turn(time.Second, func(v *decide.View) {
		v.Cluster.Leader = &cluster.Leader{Name: "b", Epoch: 11}
		v.Cluster.Members = []cluster.Member{standbyMember("b"), standbyMember("c")}
	}, waits("check"))
	k.turn(time.Second, func(v *decide.View) {
		v.Cluster.Members = []cluster.Member{primaryMember("b", 2), standbyMember("c")}
	}, decide.Decision{Verb: decide.Follow, Rule: "follow", Reason: "the leader is b"})
	k.work("follow", 10*time.Millisecond, nil)
	k.turn(time.Second, func(v *decide.View) { v.Instance.ReplicationState, v.Instance.Timeline = "streaming", 2 }, waits("standby"))
	s := k.story()
	if s.ID != record.Derive("7000000000000000001", "shop", 10) || s.New != "b" {
		t.Errorf("got %+v", s)
	}
	if f := k.entry(record.Follow); f.Took() != 2010*time.Millisecond || k.entry(record.Race).End.IsZero() {
		t.Errorf("follow %+v", f)
	}
	if k.a.story.in != nil {
		t.Error("the story goes on")
	}
}

func TestARestartInPlaceIsAnIncidentOfItsOwn(t *testing.T) {
	k := newTeller(t, "a", nil)
	k.turn(0, nil, waits("lead"))
	for i := range 3 {
		k.turn(time.Second, func(v *decide.View) { v.Instance = cluster.Instance{Timeline: 1} },
			decide.Decision{Verb: decide.StartPrimary, Rule: "leader-crashed-restart", Reason: "PostgreSQL is down"})
		k.work("start primary", time.Second, nil)
		k.turn(0, func(v *decide.View) {
			v.Instance = cluster.Instance{Running: true, Ready: true, Timeline: 1, WriteLSN: 100}
		}, waits("lead"))
		all := record.Merge(k.notes.entries)
		want := record.CauseCrash
		if i == 2 {
			want = record.CauseCrashLoop
		}
		if len(all) != i+1 || all[0].Kind != record.Restart || all[0].Cause != want || all[0].ID == record.Derive("7000000000000000001", "shop", 10) {
			t.Fatalf("crash %d: %d stories, %+v", i, len(all), all[0])
		}
		if len(all[0].Gaps) > 0 || all[0].Longest != "start primary on a" {
			t.Errorf("longest %q, gaps %+v", all[0].Longest, all[0].Gaps)
		}
	}
}

func TestACrashThatEndsTheLeadershipIsOfItsFailover(t *testing.T) {
	k := newTeller(t, "a", nil)
	k.a.o.Evidence = func() Evidence { return Evidence{Full: "/data"} }
	k.turn(0, nil, waits("lead"))
	k.turn(time.Second, func(v *decide.View) { v.Instance = cluster.Instance{Timeline: 1} }, decide.Decision{Verb: decide.StartPrimary, Rule: "leader-crashed-restart"})
	k.work("start primary", time.Second, errors.New("no space left on device"))
	k.turn(0, nil, decide.Decision{Verb: decide.Release, Rule: "leader-crashed-fail-over", Reason: "cannot lead, and b can take over"})
	p := k.a.story.during(record.Release)
	k.now = k.now.Add(10 * time.Millisecond)
	p.end(nil)
	s := k.awaitDetect()
	if s.ID != record.Derive("7000000000000000001", "shop", 10) || s.Cause != record.CauseDiskFull || s.Kind != record.Failover || s.Guess {
		t.Errorf("got %+v", s)
	}
	if !strings.Contains(s.Reason, "/data") || k.entry("start primary").Err == "" || k.entry(record.Release).End.IsZero() {
		t.Errorf("got %+v", s)
	}
}

func TestAnOperatorsTraceIsTaken(t *testing.T) {
	const operators = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for name, tc := range map[string]struct {
		self  string
		f     cluster.Failover
		cause record.Cause
		kind  record.Kind
	}{
		"old leader": {"a", cluster.Failover{Leader: "a", Candidate: "b", TraceParent: operators}, record.CauseSwitchover, record.Switchover},
		"candidate":  {"b", cluster.Failover{Leader: "a", Candidate: "b", TraceParent: operators}, record.CauseSwitchover, record.Switchover},
		"scheduled":  {"b", cluster.Failover{Leader: "a", ScheduledAt: storyStart, TraceParent: operators}, record.CauseScheduled, record.Switchover},
		"manual":     {"b", cluster.Failover{Candidate: "b", TraceParent: operators}, record.CauseManual, record.Failover},
	} {
		k := newTeller(t, tc.self, nil)
		tc.f.Version, tc.f.Exists = 3, true
		k.turn(0, nil, waits("standby"))
		k.turn(time.Second, func(v *decide.View) { v.Cluster.Failover = tc.f }, decide.Decision{Verb: map[bool]decide.Verb{true: decide.HandOver, false: decide.Wait}[tc.self == "a"], Rule: "hand-over"})
		if tc.self != "a" {
			k.turn(time.Second, free, waits("race"))
		}
		s := k.story()
		if s.Trace.String() != "0af7651916cd43dd8448eb211c80319c" || s.ID != record.Derive("7000000000000000001", "shop", 10) || s.Cause != tc.cause || s.Kind != tc.kind {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestARefusedRequestIsNoCauseLater(t *testing.T) {
	k := newTeller(t, "b", nil)
	k.turn(0, func(v *decide.View) {
		v.Cluster.Failover = cluster.Failover{Leader: "a", Candidate: "b", Version: 3, Exists: true}
	}, waits("standby"))
	k.turn(time.Second, func(v *decide.View) { v.Cluster.Failover = cluster.Failover{Version: 4, Exists: true} }, waits("standby"))
	k.turn(time.Minute, free, waits("race"))
	if s := k.story(); s.Kind != record.Failover || s.Cause != record.CauseNodeLost {
		t.Errorf("got %+v", s)
	}
}

func TestARefusalNamesItsReason(t *testing.T) {
	k := newTeller(t, "a", nil)
	k.turn(0, nil, waits("lead"))
	refuse := decide.Decision{Verb: decide.ClearFailover, Rule: "hand-over", Reason: "no good candidate: b is at 0/10, which is behind 0/20"}
	request := func(v *decide.View) {
		v.Cluster.Failover = cluster.Failover{Leader: "a", Candidate: "b", Version: 3, Exists: true}
	}
	k.turn(time.Second, request, refuse)
	k.turn(time.Millisecond, request, refuse) // the store has not taken it yet
	if s := k.story(); s.Kind != record.Refusal || s.Cause != record.CauseLag || s.Reason != refuse.Reason {
		t.Errorf("got %+v", s)
	}
}

// saying answers as told, after it was allowed to.
type saying struct {
	Peers
	answers []decide.Peer
}

func (p saying) Ask(_ context.Context, _ []cluster.Member) []PeerAnswer { return p.answers }

func TestACutIsToldByWhoElseAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		peers []decide.Peer
		want  record.Cause
	}{
		"only zookeeper": {[]decide.Peer{{Name: "b", Reachable: true}, {Name: "c"}}, record.CauseStoreCut},
		"everybody":      {[]decide.Peer{{Name: "b", Err: "timeout"}, {Name: "c", Err: "timeout"}}, record.CauseNetworkCut},
		"alone":          {nil, record.CauseStoreCut},
	} {
		k := newTeller(t, "a", nil)
		k.a.o.Peers = saying{answers: tc.peers}
		k.turn(0, nil, waits("lead"))
		k.turn(6*time.Second, func(v *decide.View) { v.StoreErr = "silent" }, decide.Decision{Verb: decide.Demote, Rule: "primary-without-lease", Reason: "the lease runs out"})
		k.awaitDetectHeld()
		k.turn(time.Second, func(v *decide.View) { v.StoreErr, v.Lease = "", lease.Lease{}; v.Cluster.Leader = nil }, waits("down"))
		s := k.story()
		if s.Cause != tc.want || s.Guess || !strings.HasPrefix(s.Reason, "the lease runs out") || s.Seconds != 6 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// A demoted leader is started as a standby while ZooKeeper is silent, and
// promoted again under the same lock.
func TestADemotedLeaderThatComesBackIsARestart(t *testing.T) {
	for name, back := range map[string]func(k *teller){
		"as primary": func(k *teller) { k.work("start primary", time.Second, nil) },
		"promoted": func(k *teller) {
			k.work("start standby", time.Second, nil)
			k.work("promote", time.Second, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newTeller(t, "a", nil)
			k.a.o.Peers = saying{answers: []decide.Peer{{Name: "b", Reachable: true}}}
			k.turn(0, nil, waits("lead"))
			k.turn(6*time.Second, func(v *decide.View) { v.StoreErr = "silent" }, decide.Decision{Verb: decide.Demote, Rule: "primary-without-lease"})
			k.awaitDetectHeld()
			k.work("demote", time.Second, nil)
			k.turn(time.Second, func(v *decide.View) { v.StoreErr, v.Instance = "", cluster.Instance{Timeline: 1} }, waits("down"))
			back(k)
			k.turn(time.Second, func(v *decide.View) { v.Instance = cluster.Instance{Running: true, Ready: true, Timeline: 2} }, waits("lead"))
			s := k.story()
			if s.Kind != record.Restart || s.Cause != record.CauseStoreCut || s.ID == record.Derive("7000000000000000001", "shop", 10) {
				t.Errorf("got %+v", s)
			}
			for _, e := range s.Phases {
				if e.End.IsZero() {
					t.Errorf("%s has no end", e.Phase)
				}
			}
		})
	}
}

func TestAFrozenAgentTells(t *testing.T) {
	k := newTeller(t, "a", nil)
	k.turn(0, nil, waits("lead"))
	k.turn(25*time.Second, func(v *decide.View) { v.Lease, v.Instance = lease.Lease{}, cluster.Instance{Timeline: 1} }, waits("down-check"))
	if s := k.story(); s.Cause != record.CauseAgentFrozen || s.ID != record.Derive("7000000000000000001", "shop", 10) {
		t.Errorf("got %+v", s)
	}
}

func TestTheAgentAfterAKilledOneTells(t *testing.T) {
	last := storyStart.Add(-time.Minute)
	for name, tc := range map[string]struct {
		former Former
		want   record.Cause
	}{
		"fenced":  {Former{Epoch: 10, Last: last, Fenced: last.Add(time.Second), FencedFor: "the agent is gone"}, record.CauseAgentKilled},
		"all":     {Former{Epoch: 10, Last: last}, record.CauseNodeLost},
		"earlier": {Former{Epoch: 10, Last: last, Fenced: last.Add(-time.Second)}, record.CauseNodeLost},
		"reboot":  {Former{Epoch: 10, Last: last, Rebooted: true, Fenced: last.Add(time.Second)}, record.CauseNodeLost},
	} {
		k := newTeller(t, "c", &tc.former)
		k.turn(0, func(v *decide.View) {
			v.Cluster.Leader = &cluster.Leader{Name: "b", Epoch: 11}
			v.Instance = cluster.Instance{Timeline: 1}
		}, waits("down-check"))
		s := k.story()
		if s.Cause != tc.want || s.Guess || s.ID != record.Derive("7000000000000000001", "shop", 10) || s.New != "b" || s.Old != "c" {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestAnInheritedLeadershipIsNoIncident(t *testing.T) {
	k := newTeller(t, "a", &Former{Epoch: 10, Last: storyStart})
	k.turn(0, nil, waits("lead"))
	k.turn(time.Second, nil, waits("lead"))
	if len(k.notes.entries) > 0 {
		t.Errorf("got %+v", k.notes.entries)
	}
}

func TestWithoutARecorderNothingIsNoted(t *testing.T) {
	k := newTeller(t, "b", nil)
	k.a.o.Recorder = nil
	k.turn(0, nil, waits("standby"))
	k.turn(time.Second, free, waits("race"))
	k.work("promote", 0, nil)
	k.a.story.acquired(k.a.story.acquiring(decide.Decision{}), true, nil)
	k.a.story.killed("why")
	k.a.story.stopping().end(nil)
	if len(k.notes.entries) > 0 || k.a.story.in != nil {
		t.Error("something was noted")
	}
}

// awaitDetect waits for the answers that end the phase, which come beside.
func (k *teller) awaitDetect() record.Story {
	k.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		k.a.story.mu.Lock()
		s := record.Merge(k.notes.entries)
		k.a.story.mu.Unlock()
		if len(s) == 1 && s[0].Cause != "" && !slices.ContainsFunc(s[0].Phases, func(e record.Entry) bool { return e.End.IsZero() }) {
			return s[0]
		}
		time.Sleep(time.Millisecond)
	}
	k.t.Fatal("no cause within 5 s")
	return record.Story{}
}

// awaitDetectHeld waits for the end of Detect while it is not known yet what
// becomes of the leadership.
func (k *teller) awaitDetectHeld() {
	k.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		k.a.story.mu.Lock()
		n := len(k.a.story.in.held)
		k.a.story.mu.Unlock()
		if n > 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	k.t.Fatal("no end of Detect within 5 s")
}

// What a steady round costs with a Recorder: it is made every two seconds.
func BenchmarkSteadyRound(b *testing.B) {
	k := newTeller(nil, "b", nil)
	d := waits("standby")
	for b.Loop() {
		k.now++
		k.v.Now = k.now
		k.a.story.look(new(k.v), d)
	}
}

func TestAnAgentThatIsToldToEndTells(t *testing.T) {
	k := newTeller(t, "a", nil)
	k.a.o.Postgres = untouched{}
	k.turn(0, nil, waits("lead"))
	k.a.s.cluster = k.v.Cluster
	k.a.story.stopping().end(nil)
	if s := k.story(); s.Cause != record.CauseStopped || s.Guess || s.ID != record.Derive("7000000000000000001", "shop", 10) || s.Old != "a" {
		t.Errorf("got %+v", s)
	}
}

// untouched is a PostgreSQL that follows whom it should.
type untouched struct{ Postgres }

func (untouched) Wants(*cluster.Upstream) bool { return false }

func TestCrashesOfOneIncidentAreCounted(t *testing.T) {
	k := newTeller(t, "a", nil)
	k.turn(0, nil, waits("lead"))
	for range 3 {
		k.turn(time.Second, func(v *decide.View) { v.Instance, v.Job = cluster.Instance{Timeline: 1}, nil }, decide.Decision{Verb: decide.StartPrimary, Rule: "leader-crashed-restart"})
		k.turn(time.Second, func(v *decide.View) { // up, and the job has not ended yet
			v.Instance, v.Job = cluster.Instance{Running: true, Ready: true, Timeline: 1}, &decide.Job{Kind: "start primary"}
		}, waits("job"))
	}
	k.turn(time.Second, func(v *decide.View) { v.Job = nil }, waits("lead"))
	if s := k.story(); s.Cause != record.CauseCrashLoop || s.Kind != record.Restart || len(s.Phases) != 4 {
		t.Errorf("got %+v", s)
	}
}
