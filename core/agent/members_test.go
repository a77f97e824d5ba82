package agent

import (
	"slices"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

func knownAs(name, url string) cluster.Member {
	return cluster.Member{Name: name, Data: cluster.MemberData{APIURL: url}}
}

func TestMembersAreRememberedWhenTheyChange(t *testing.T) {
	a := testAgent(&leasedStore{}, nil)
	var saved [][]cluster.Member
	a.o.SaveMembers = func(list []cluster.Member) { saved = append(saved, list) }
	a.s.lastMembers = []cluster.Member{knownAs("b", "u")}
	for _, c := range []struct {
		list []cluster.Member
		want bool
	}{
		{[]cluster.Member{knownAs("b", "u")}, false},
		{[]cluster.Member{knownAs("b", "u"), knownAs("c", "v")}, true},
		{[]cluster.Member{knownAs("b", "u"), knownAs("c", "w")}, true},
		{[]cluster.Member{knownAs("b", "u"), knownAs("c", "w")}, false},
		{nil, true},
	} {
		a.rememberMembers(c.list)
		got := len(a.memory.work) == 1
		if got {
			<-a.memory.work
		}
		if got != c.want || !slices.EqualFunc(a.s.lastMembers, c.list, func(x, y cluster.Member) bool { return x.Name == y.Name }) {
			t.Errorf("%v: saved %v, want %v; remembered %v", c.list, got, c.want, a.s.lastMembers)
		}
	}
}

// An agent that has never seen a leader asks whom the one before it has seen.
func TestAFreshAgentAsksTheMembersItKnew(t *testing.T) {
	asked := &askedPeers{}
	a := New(Options{
		Name: "a", Store: &leasedStore{}, Postgres: stillServer{}, Peers: asked, Logger: testAgent(&leasedStore{}, nil).log,
		Settings:      func(*cluster.Object) (cluster.Settings, []string) { return cluster.DefaultSettings(), nil },
		CachedMembers: []cluster.Member{knownAs("a", "own"), knownAs("b", "u"), knownAs("c", "old"), knownAs("d", "")},
	})
	a.s.cluster = &cluster.Cluster{Members: []cluster.Member{knownAs("a", "own"), knownAs("c", "new")}}
	a.askPeers(t.Context(), a.view())
	if want := []string{"c new", "b u"}; !slices.Equal(asked.urls, want) {
		t.Errorf("asked %v, want %v", asked.urls, want)
	}
}
