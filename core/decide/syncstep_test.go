package decide

import (
	"slices"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

func sender(name string, lsn cluster.LSN) cluster.WALSender {
	return cluster.WALSender{ApplicationName: name, State: "streaming", FlushLSN: lsn, WriteLSN: lsn + 1, ReplayLSN: lsn - 1}
}

// primaryWith is a synchronous primary with b and c streaming.
func primaryWith(mode, names string, sync cluster.SyncState, more ...func(*View)) View {
	v := healthy()
	v.Settings.SynchronousMode, v.Instance.SyncNames, v.Cluster.Sync = mode, names, sync
	v.Instance.SyncCommit, v.Instance.SyncManaged, v.Sync.Baseline = "on", true, 4000
	v.Instance.Replication = []cluster.WALSender{sender("b", 5000), sender("C", 4900)}
	for _, change := range more {
		change(&v)
	}
	return v
}

func TestNextSync(t *testing.T) {
	count := func(n int) func(*View) { return func(v *View) { v.Settings.SynchronousNodeCount = n } }
	young := func(v *View) { v.Sync.Since = v.Now }
	alone := func(v *View) { v.Instance.Replication = nil }
	for _, tc := range []struct {
		name string
		v    View
		verb SyncVerb
		text string // of the key or the names
	}{
		{"first time", primaryWith("on", "", cluster.SyncState{Version: cluster.NoVersion}), SyncState, `{"leader":"a","quorum":0,"sync_standby":null}`},
		{"the key is another's", primaryWith("on", "", synced("b", 0, "a", "c")), SyncState, `{"leader":"a","quorum":0,"sync_standby":null}`},
		{"quorum: the former leader votes in this one's place", primaryWith("quorum", "ANY 1 (b,c)", synced("b", 1, "a", "c")), SyncState, `{"leader":"a","quorum":1,"sync_standby":"b,c"}`},
		{"quorum: the names guard less", primaryWith("quorum", "", synced("b", 1, "a", "c")), SyncState, `{"leader":"a","quorum":2,"sync_standby":"b,c"}`},
		{"names first", primaryWith("on", "", synced("a", 0)), SyncNames, "b"},
		{"then the key", primaryWith("on", "b", synced("a", 0)), SyncState, `{"leader":"a","quorum":0,"sync_standby":"b"}`},
		{"not before the standby has caught up", primaryWith("on", "b", synced("a", 0), func(v *View) { v.Sync.Baseline = 5001 }), SyncWait, ""},
		{"a new agent learns since when", primaryWith("on", "b", synced("a", 0), func(v *View) { v.Sync.Baseline = 0 }), SyncNames, "b"},
		{"done", primaryWith("on", "b", synced("a", 0, "b")), SyncDone, ""},
		{"a name in another case", primaryWith("on", "2 (B,C)", synced("a", 0, "B", "C"), count(2)), SyncDone, ""},
		{"a standby went", primaryWith("on", "b", synced("a", 0, "b"), alone), SyncState, `{"leader":"a","quorum":0,"sync_standby":null}`},
		{"it may be on its way after a promotion", primaryWith("on", "b", synced("a", 0, "b"), alone, young), SyncWait, ""},
		{"then the names", primaryWith("on", "b", synced("a", 0), alone), SyncNames, ""},
		{"strict", primaryWith("on", "b", synced("a", 0), alone, func(v *View) { v.Settings.SynchronousModeStrict = true }), SyncNames, cluster.NoStandby},
		{"somebody changed the names", primaryWith("on", "x", synced("a", 0, "b")), SyncState, `{"leader":"a","quorum":0,"sync_standby":null}`},
		{"names that cannot be read", primaryWith("on", "ANY (", synced("a", 0, "b")), SyncState, `{"leader":"a","quorum":0,"sync_standby":null}`},
		{"quorum: all who stream are voters", primaryWith("quorum", "ANY 1 (b,c)", synced("a", 0)), SyncState, `{"leader":"a","quorum":1,"sync_standby":"b,c"}`},
		{"quorum: more confirmations, names first", primaryWith("quorum", "ANY 1 (b,c)", synced("a", 1, "b", "c"), count(2)), SyncNames, "ANY 2 (b,c)"},
		{"quorum: then a smaller quorum", primaryWith("quorum", "ANY 2 (b,c)", synced("a", 1, "b", "c"), count(2)), SyncState, `{"leader":"a","quorum":0,"sync_standby":"b,c"}`},
		{"quorum: fewer confirmations, quorum first", primaryWith("quorum", "ANY 2 (b,c)", synced("a", 0, "b", "c")), SyncState, `{"leader":"a","quorum":1,"sync_standby":"b,c"}`},
		{"quorum: those who must not lead only fill up", primaryWith("quorum", "ANY 1 (b,c)", synced("a", 1, "b", "c"), withTag("b", "nofailover", true)), SyncNames, "ANY 1 (c)"},
		{"to plain mode: names first", primaryWith("on", "ANY 1 (b,c)", synced("a", 1, "b", "c")), SyncNames, "b"},
	} {
		got := NextSync(&tc.v)
		text := ""
		switch {
		case got.Verb == SyncState:
			text = string(got.State.Encode())
		case got.Verb == SyncNames:
			text = got.Names.String()
		}
		if got.Verb != tc.verb || text != tc.text {
			t.Errorf("%s: got %s %q (%s), want %s %q", tc.name, got.Verb, text, got.Reason, tc.verb, tc.text)
		}
	}
}

func withTag(name, key string, value any) func(*View) {
	return func(v *View) { tagged(v, name, key, value) }
}

func TestActiveStandbys(t *testing.T) {
	for _, tc := range []struct {
		name string
		with func(*View)
		want []string
	}{
		{"by position", nil, []string{"b", "c"}},
		{"by priority", withTag("c", "sync_priority", 5), []string{"c", "b"}},
		{"synchronous ones first", func(v *View) { v.Instance.Replication[1].SyncState = "sync" }, []string{"c", "b"}},
		{"nofailover last", withTag("b", "nofailover", true), []string{"c", "b"}},
		{"nosync never", withTag("b", "nosync", true), []string{"c"}},
		{"not streaming", func(v *View) { v.Instance.Replication[0].State = "catchup" }, []string{"c"}},
		{"nothing reported yet", func(v *View) { v.Instance.Replication[0].FlushLSN = 0 }, []string{"c"}},
		{"no member key", func(v *View) { v.Cluster.Members = v.Cluster.Members[:2] }, []string{"b"}},
		{"member stops", func(v *View) { v.Cluster.Member("b").Data.State = cluster.StateStopping }, []string{"c"}},
		{"twice", func(v *View) { v.Instance.Replication = append(v.Instance.Replication, sender("b", 5000)) }, []string{"b", "c"}},
		{"a cascade is here for a while", withTag("c", "replicatefrom", "b"), []string{"b"}},
		{"its source is away", func(v *View) {
			withTag("c", "replicatefrom", "b")(v)
			v.Instance.Replication = v.Instance.Replication[1:]
		}, []string{"c"}},
		{"lag behind the best", func(v *View) { v.Settings.MaximumLagOnSyncnode = 50 }, []string{"b"}},
		{"lag behind the leader", func(v *View) {
			v.Settings.MaximumLagOnSyncnode, v.Instance.Replication = 50, v.Instance.Replication[1:]
		}, nil},
		{"what is written counts", func(v *View) {
			v.Instance.SyncCommit, v.Instance.Replication[1].WriteLSN = "remote_write", 6000
		}, []string{"c", "b"}},
		{"what is replayed counts", func(v *View) {
			v.Instance.SyncCommit, v.Instance.Replication[1].ReplayLSN = "remote_apply", 6000
		}, []string{"c", "b"}},
	} {
		v := primaryWith("on", "", synced("a", 0))
		if tc.with != nil {
			tc.with(&v)
		}
		var got []string
		for _, b := range activeStandbys(&v) {
			got = append(got, b.name)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
}
