package decide

import (
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

func TestWhatIf(t *testing.T) {
	behind := func(v *View) { v.Cluster.Members[2].Data.XLogLocation = 4000 }
	tagged := func(i int, key string, value any) func(*View) {
		return func(v *View) {
			o := &cluster.Object{}
			o.Set(key, value)
			v.Cluster.Members[i].Data.Tags = cluster.NewTags(o)
		}
	}
	for _, tc := range []struct {
		name   string
		with   []func(*View)
		down   []string
		leader string
		risk   cluster.LSN
		rules  map[string]string // of members that would not lead
	}{
		{"nobody goes", nil, nil, "a", 0, map[string]string{}},
		{"a standby goes", nil, []string{"b"}, "a", 0, nil},
		{"the leader goes", []func(*View){behind}, []string{"a"}, "b", 0, map[string]string{"c": "race"}},
		{"the leader and the best go", []func(*View){behind}, []string{"a", "b"}, "c", 1000, map[string]string{}},
		{"all go", nil, []string{"a", "b", "c"}, "", 5000, map[string]string{}},
		{"the best must not lead", []func(*View){behind, tagged(1, "nofailover", true)}, []string{"a"}, "c", 1000, map[string]string{"b": "race-nofailover"}},
		{"priority at the same position", []func(*View){tagged(2, "failover_priority", 5)}, []string{"a"}, "c", 0, map[string]string{"b": "race"}},
		{"the other is too far behind", []func(*View){func(v *View) {
			v.Cluster.Members[1].Data.State = cluster.StateStopped
			v.Cluster.Members[2].Data.XLogLocation, v.Settings.MaximumLagOnFailover = 4000, 100
		}}, []string{"a"}, "", 5000, map[string]string{"b": "start-standby", "c": "race-lag"}},
		{"synchronous mode lists one", []func(*View){func(v *View) {
			v.Settings.SynchronousMode, v.Cluster.Sync = "on", synced("a", 0, "c")
		}, behind}, []string{"a"}, "c", 1000, map[string]string{"b": "race-not-synchronous"}},
		{"a switchover that is asked for does not count", []func(*View){func(v *View) {
			v.Cluster.Failover = cluster.Failover{Leader: "a", Candidate: "c"}
		}, behind}, []string{"a"}, "b", 0, nil},
	} {
		v := healthy()
		for _, change := range tc.with {
			change(&v)
		}
		got := WhatIf(v, tc.down...)
		if got.Leader != tc.leader || got.AtRisk != tc.risk {
			t.Errorf("%s: got %+v, want %s with %d bytes at risk", tc.name, got, tc.leader, tc.risk)
		}
		for _, f := range got.Fates {
			if want, listed := tc.rules[f.Name]; tc.leader != "a" && tc.rules != nil && (listed == f.Leads || listed && f.Rule != want) {
				t.Errorf("%s: %+v, want rule %q", tc.name, f, want)
			}
		}
	}
	if got := WhatIf(View{}, "a"); got.Leader != "" {
		t.Errorf("without a view: %+v", got)
	}
}

func TestWhatIfFromAStandby(t *testing.T) {
	v := standbyOf()
	v.Peers = []Peer{{Name: "c", Err: "refused"}, {Name: "b", Reachable: true, Primary: true, Position: 5500}}
	got := WhatIf(v, "b")
	if got.Leader != "a" || got.AtRisk != 500 {
		t.Errorf("got %+v", got)
	}
	for _, f := range got.Fates {
		if f.Name == "c" && (f.Leads || f.Rule != "no-answer") {
			t.Errorf("a member that does not answer: %+v", f)
		}
	}
}
