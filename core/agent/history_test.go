package agent

import (
	"context"
	"fmt"
	"io/fs"
	"reflect"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

func TestMergeHistory(t *testing.T) {
	const plain = "no recovery target specified"
	rows := cluster.History{{Timeline: 1, LSN: 10, Reason: plain, At: "t1"}, {Timeline: 2, LSN: 20, Reason: plain, At: "t2"}}
	old := cluster.History{{Timeline: 1, LSN: 10, Reason: "race: the healthiest", At: "then", NewLeader: "b"}}
	for _, tc := range []struct {
		name      string
		old       cluster.History
		why       string
		one, last cluster.HistoryEntry
	}{
		{"with a reason", old, "race: the only one", old[0], cluster.HistoryEntry{Timeline: 2, LSN: 20, Reason: "race: the only one", At: "t2", NewLeader: "a"}},
		{"without", old, "", old[0], cluster.HistoryEntry{Timeline: 2, LSN: 20, Reason: plain, At: "t2", NewLeader: "a"}},
		{"another fork", cluster.History{{Timeline: 1, LSN: 11, Reason: "x"}}, "", rows[0], cluster.HistoryEntry{Timeline: 2, LSN: 20, Reason: plain, At: "t2", NewLeader: "a"}},
		{"written already", append(old[:1:1], cluster.HistoryEntry{Timeline: 2, LSN: 20, Reason: "kept", At: "t", NewLeader: "c"}), "new", old[0], cluster.HistoryEntry{Timeline: 2, LSN: 20, Reason: "kept", At: "t", NewLeader: "c"}},
	} {
		got := mergeHistory(tc.old, rows, "a", tc.why)
		if want := (cluster.History{tc.one, tc.last}); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, want)
		}
	}
}

// branchServer is a primary on the timeline after its rows; branchStore has the
// history key.
type branchServer struct {
	Postgres
	rows cluster.History
}

func (branchServer) Wants(*cluster.Upstream) bool { return false }

func (s branchServer) TimelineHistory(context.Context) (cluster.History, error) { return s.rows, nil }

type branchStore struct {
	leasedStore
	key cluster.History
	set int
}

func (s *branchStore) SetHistory(_ context.Context, h cluster.History) error {
	s.key = h
	s.set++
	return nil
}

// Two servers that were promoted apart have timelines of one number: the key is
// of the one that leads.
func TestHistoryIsOfTheLeadersBranch(t *testing.T) {
	here := cluster.History{{Timeline: 1, LSN: 10}, {Timeline: 2, LSN: 25}}
	for name, c := range map[string]struct {
		key cluster.History
		set int
	}{
		"missing":             {nil, 1},
		"older":               {here[:1], 1},
		"the same":            {cluster.History{{Timeline: 1, LSN: 10, NewLeader: "b"}, {Timeline: 2, LSN: 25, NewLeader: "a"}}, 0},
		"another's last fork": {cluster.History{{Timeline: 1, LSN: 10}, {Timeline: 2, LSN: 20}}, 1},
		"another's old fork":  {cluster.History{{Timeline: 1, LSN: 9}, {Timeline: 2, LSN: 25}}, 1},
	} {
		store := &branchStore{key: c.key}
		a := testAgent(store, nil)
		a.o.Postgres = branchServer{rows: here}
		h := a.keeper
		for range 3 {
			a.s.cluster = &cluster.Cluster{History: store.key}
			v := a.view()
			v.Instance.Timeline, v.Lease.Epoch = 3, 7
			if err := h.writeHistory(t.Context(), v); err != nil {
				t.Fatal(err)
			}
		}
		if store.set != c.set || !store.key.SameForks(here) {
			t.Errorf("%s: written %d times, want %d; the key is %v", name, store.set, c.set, store.key)
		}
	}
}

// missingFile is a primary whose history file is gone.
type missingFile struct{ branchServer }

func (missingFile) TimelineHistory(context.Context) (cluster.History, error) {
	return nil, fmt.Errorf("read timeline history: %w", fs.ErrNotExist)
}

// Without the file a key of the right timeline stands as it is; one of another
// timeline cannot be brought up to date, and that is told.
func TestHistoryFileIsMissing(t *testing.T) {
	for name, c := range map[string]struct {
		key  cluster.History
		told bool
	}{
		"current": {cluster.History{{Timeline: 1, LSN: 10}, {Timeline: 2, LSN: 25}}, false},
		"older":   {cluster.History{{Timeline: 1, LSN: 10}}, true},
	} {
		store := &branchStore{key: c.key}
		a := testAgent(store, nil)
		a.o.Postgres = missingFile{}
		a.s.cluster = &cluster.Cluster{History: store.key}
		v := a.view()
		v.Instance.Timeline, v.Lease.Epoch = 3, 7
		if err := a.keeper.writeHistory(t.Context(), v); (err != nil) != c.told || store.set != 0 {
			t.Errorf("%s: %v, written %d times", name, err, store.set)
		}
	}
}

// The verdict on the last leader counts for the server and the timeline that it
// was about.
func TestWithLast(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*state)
		want   bool
	}{
		"as checked":              {func(*state) {}, true},
		"a later leader was seen": {func(s *state) { s.lastEpoch = 8 }, false},
		"no leader was seen":      {func(s *state) { s.lastEpoch, s.verdictOf.epoch = 0, 0 }, false},
		"another server":          {func(s *state) { s.instance.Pid = 12 }, false},
		"no server":               {func(s *state) { s.instance.Pid, s.verdictOf.pid = 0, 0 }, false},
		"another timeline":        {func(s *state) { s.instance.Timeline = 2 }, false},
		"diverged":                {func(s *state) { s.verdict = cluster.DivergenceFound }, false},
		"not known":               {func(s *state) { s.verdict = cluster.DivergenceUnknown }, false},
		"of a server outside":     {func(s *state) { s.verdictOf.remote = "h:5432" }, false},
	} {
		s := state{lastEpoch: 7, verdict: cluster.DivergenceNone, verdictOf: leadership{epoch: 7, timeline: 3, pid: 11}}
		s.instance.Pid, s.instance.Timeline = 11, 3
		c.change(&s)
		if got := s.withLast(); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
