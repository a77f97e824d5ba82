package main

import (
	"os"
	"reflect"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

func TestMembersAreRemembered(t *testing.T) {
	d := &stateDir{dir: t.TempDir(), local: &config.Local{Namespace: "service", Scope: "s", Name: "n"}}
	if got := d.loadMembers(); got != nil {
		t.Errorf("nothing was saved, got %v", got)
	}
	list := []cluster.Member{
		{Name: "a", Session: 7, Data: cluster.MemberData{APIURL: "http://a:8008/patroni", Timeline: 3}},
		{Name: "b"},
	}
	if err := d.saveMembers(list); err != nil {
		t.Fatal(err)
	}
	want := []cluster.Member{{Name: "a", Data: cluster.MemberData{APIURL: "http://a:8008/patroni"}}, {Name: "b"}}
	if got := d.loadMembers(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, other := range []config.Local{{Namespace: "service", Scope: "t"}, {Namespace: "other", Scope: "s"}} {
		if got := (&stateDir{dir: d.dir, local: &other}).loadMembers(); got != nil {
			t.Errorf("cluster %s/%s is given the members of another: %v", other.Namespace, other.Scope, got)
		}
	}
	if err := os.WriteFile(d.membersPath(), []byte("["), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := d.loadMembers(); got != nil {
		t.Errorf("a broken file gives %v", got)
	}
}
