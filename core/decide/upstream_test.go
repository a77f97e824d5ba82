package decide

import (
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

// TestCascade has a as a standby of leader b, beside c and d.
func TestCascade(t *testing.T) {
	for name, c := range map[string]struct {
		with func(*View)
		want string
	}{
		"no tag":                   {func(*View) {}, "b"},
		"the named member":         {func(v *View) { tag(v, "replicatefrom", "c") }, "c"},
		"the leader":               {func(v *View) { tag(v, "replicatefrom", "b") }, "b"},
		"itself":                   {func(v *View) { tag(v, "replicatefrom", "a") }, "b"},
		"a member that is gone":    {func(v *View) { tag(v, "replicatefrom", "x") }, "b"},
		"a member that is stopped": {func(v *View) { tag(v, "replicatefrom", "c"); v.Cluster.Members[2].Data.State = cluster.StateStopped }, "b"},
		"a chain":                  {func(v *View) { tag(v, "replicatefrom", "c"); tagMember(v, 2, "replicatefrom", "d") }, "c"},
		"a ring of two":            {func(v *View) { tag(v, "replicatefrom", "c"); tagMember(v, 2, "replicatefrom", "a") }, "b"},
		"a ring of three": {func(v *View) {
			tag(v, "replicatefrom", "c")
			tagMember(v, 2, "replicatefrom", "d")
			tagMember(v, 3, "replicatefrom", "a")
		}, "b"},
		"a ring further up": {func(v *View) {
			tag(v, "replicatefrom", "c")
			tagMember(v, 2, "replicatefrom", "d")
			tagMember(v, 3, "replicatefrom", "c")
		}, "b"},
		"a ring that the leader breaks": {func(v *View) { tag(v, "replicatefrom", "b"); tagMember(v, 1, "replicatefrom", "a") }, "b"},
		"nostream":                      {func(v *View) { tag(v, "replicatefrom", "c"); tag(v, "nostream", true) }, ""},
		"nobody leads":                  {func(v *View) { tag(v, "replicatefrom", "c"); free(v) }, "c"},
	} {
		v := standbyOf()
		v.Cluster.Members = append(v.Cluster.Members, member("d", cluster.RoleReplica, 5000))
		c.with(&v)
		got := ""
		if up := Target(&v); up != nil {
			got = up.Name
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestCloneSource(t *testing.T) {
	v := standbyOf()
	v.Cluster.Members = append(v.Cluster.Members, member("d", cluster.RoleReplica, 5000))
	tagMember(&v, 1, "clonefrom", true) // the leader is the last resort in any case
	if got := cloneSource(&v).Name; got != "b" {
		t.Errorf("nobody offered: got %s, want the leader", got)
	}
	tagMember(&v, 2, "clonefrom", true)
	tagMember(&v, 3, "clonefrom", true)
	from := map[string]bool{}
	for _, self := range []string{"e", "f", "g", "h", "i"} {
		v.Self = self
		from[cloneSource(&v).Name] = true
	}
	if len(from) != 2 || !from["c"] || !from["d"] {
		t.Errorf("five nodes copy from %v, want c and d", from)
	}
	v.Self, v.Reinit = "a", true
	if d := Decide(&v); d.Verb != Reclone || d.Upstream.Name == "b" {
		t.Errorf("reinitialize: got %s from %v, want one that offers itself", d.Verb, d.Upstream)
	}
	v.ReinitFromLeader = true
	if d := Decide(&v); d.Verb != Reclone || d.Upstream.Name != "b" {
		t.Errorf("reinitialize from the leader: got %s from %v", d.Verb, d.Upstream)
	}
	v.Cluster.Members[2].Data.State = cluster.StateStopped
	for _, self := range []string{"a", "d"} { // not itself, not who is down
		v.Self = self
		want := map[string]string{"a": "d", "d": "b"}[self]
		if got := cloneSource(&v).Name; got != want {
			t.Errorf("%s copies from %s, want %s", self, got, want)
		}
	}
}
