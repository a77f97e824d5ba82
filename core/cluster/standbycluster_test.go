package cluster

import (
	"reflect"
	"testing"
)

func TestParseStandbyCluster(t *testing.T) {
	for text, want := range map[string]*StandbyCluster{
		`{}`:                        nil,
		`{"standby_cluster": null}`: nil,
		`{"standby_cluster": "x"}`:  nil,
		`{"standby_cluster": {}}`:   nil,
		`{"standby_cluster": {"host": "", "port": 0, "primary_slot_name": "x"}}`: nil,
		`{"standby_cluster": {"host": "a"}}`:                                     {Host: "a"},
		`{"standby_cluster": {"port": 6000}}`:                                    {Host: "localhost", Port: "6000"},
		`{"standby_cluster": {"host": "a, b", "port": "1,2", "primary_slot_name": "Main-1"}}`: {
			Host: "a,b", Port: "1,2", SlotName: "main_1",
		},
		`{"standby_cluster": {"restore_command": "cp %f %p", "archive_cleanup_command": "c", "recovery_min_apply_delay": "5min", "create_replica_methods": ["x", "basebackup"]}}`: {
			RestoreCommand: "cp %f %p", ArchiveCleanupCommand: "c", RecoveryMinApplyDelay: "5min", CreateReplicaMethods: []string{"x", "basebackup"},
		},
	} {
		o, err := ParseObject([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := ParseStandbyCluster(o); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
		if got := IsStandbyCluster(o); got != (want != nil) {
			t.Errorf("%s: in force %v", text, got)
		}
	}
}

func TestRemoteAddresses(t *testing.T) {
	for _, c := range []struct {
		sc    StandbyCluster
		ports string
		want  []Upstream
	}{
		{StandbyCluster{Host: "a"}, "5432", []Upstream{{Host: "a", Port: 5432}}},
		{StandbyCluster{Host: "a,b", Port: "6000"}, "6000", []Upstream{{Host: "a", Port: 6000}, {Host: "b", Port: 6000}}},
		{StandbyCluster{Host: "a,b", Port: "1,2"}, "1,2", []Upstream{{Host: "a", Port: 1}, {Host: "b", Port: 2}}},
	} {
		up := c.sc.Upstream()
		if got := up.Addresses(); !reflect.DeepEqual(got, c.want) || up.Ports() != c.ports {
			t.Errorf("%+v: got %+v and ports %s", c.sc, got, up.Ports())
		}
	}
	a, b := (&StandbyCluster{Host: "a"}).Upstream(), (&StandbyCluster{Host: "a", SlotName: "s"}).Upstream()
	if a.Same(b) || !a.Same((&StandbyCluster{Host: "a"}).Upstream()) || a.Same(nil) || !(*Upstream)(nil).Same(nil) {
		t.Error("upstreams are compared by all that their settings depend on")
	}
}
