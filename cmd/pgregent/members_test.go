package main

import (
	"os"
	"reflect"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

func TestMembersAreRemembered(t *testing.T) {
	d := &stateDir{dir: t.TempDir()}
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
	if err := os.WriteFile(d.membersPath(), []byte("["), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := d.loadMembers(); got != nil {
		t.Errorf("a broken file gives %v", got)
	}
}
