package rest

import (
	"strings"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

func TestQuorumModeNeedsMembersThatKnowIt(t *testing.T) {
	object := func(text string) *cluster.Object {
		o, err := cluster.ParseObject([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	view := &cluster.Cluster{Members: []cluster.Member{
		{Name: "a", Data: cluster.MemberData{Version: "4.1.4"}},
		{Name: "b", Data: cluster.MemberData{Version: "3.0.2"}},
	}}
	quorum := object(`{"synchronous_mode": "quorum"}`)
	if why := refuseQuorum(view, quorum); !strings.Contains(why, "member b") {
		t.Errorf("got %q", why)
	}
	if why := refuseQuorum(view, object(`{"synchronous_mode": true}`)); why != "" {
		t.Errorf("plain synchronous mode is refused: %s", why)
	}
	view.Config.Object = quorum
	if why := refuseQuorum(view, quorum); why != "" {
		t.Errorf("it is on already: %s", why)
	}
	view.Config.Object, view.Members = nil, view.Members[:1]
	if why := refuseQuorum(view, quorum); why != "" {
		t.Errorf("all know it: %s", why)
	}
}
