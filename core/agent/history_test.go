package agent

import (
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
