package postgres

import (
	"reflect"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

func TestMethodsOfACopy(t *testing.T) {
	tape, disk := config.Method{Name: "tape", Command: "t", NoLeader: true}, config.Method{Name: "disk", Command: "d"}
	s := New(Options{Config: config.Postgres{Site: config.Site{
		Methods: []config.Method{tape}, Known: map[string]config.Method{"tape": tape, "disk": disk},
	}}})
	remote := func(host string, methods ...string) cluster.Upstream {
		return *(&cluster.StandbyCluster{Host: host, CreateReplicaMethods: methods}).Upstream()
	}
	plain := config.Method{Name: config.BaseBackupMethod}
	for name, c := range map[string]struct {
		up   cluster.Upstream
		want []config.Method
	}{
		"a member":                           {cluster.Upstream{Name: "b", Host: "h"}, []config.Method{tape}},
		"a member, plain":                    {cluster.Upstream{Name: "b", Host: "h", Plain: true}, []config.Method{plain}},
		"a remote":                           {remote("h"), []config.Method{plain}},
		"a remote with methods":              {remote("h", "disk", "basebackup", "tape"), []config.Method{disk, plain, tape}},
		"a remote's archive":                 {remote(""), []config.Method{tape}},
		"a remote's archive, with methods":   {remote("", "disk", "tape"), []config.Method{disk, tape}},
		"a remote with a method not known":   {remote("h", "plugin"), []config.Method{{Name: "plugin"}}},
		"no leader, and no server elsewhere": {cluster.Upstream{}, []config.Method{tape}},
	} {
		if got := s.methods(c.up); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}
