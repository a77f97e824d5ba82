package zkdcs

import (
	"errors"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
)

// fill writes some keys.
func (n *node) fill(t *testing.T) {
	t.Helper()
	o := &cluster.Object{}
	o.Set("ttl", "30")
	if err := n.SetConfig(t.Context(), o, cluster.AnyVersion); err != nil {
		t.Fatal(err)
	}
	if err := n.SetFailover(t.Context(), cluster.Failover{Candidate: "b"}, cluster.AnyVersion); err != nil {
		t.Fatal(err)
	}
	n.awaitView(t, "the keys", func(v *cluster.Cluster) bool { return v.Config.Object != nil && v.Failover.Pending() })
}

func TestRemoveDeletesOneClusterWhole(t *testing.T) {
	t.Parallel()
	member, other, c := start(t, "a"), start(t, "", func(o *Options) { o.Scope += "-other" }), raw(t)
	member.fill(t)
	other.fill(t)
	tool := start(t, "")
	for range 2 { // what is gone already is no error
		if err := tool.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{keyConfig, keyFailover, keyRegistration} {
		if _, _, err := c.Get(tool.paths.of(key)); !errors.Is(err, zk.ErrNoNode) {
			t.Errorf("%s: got %v, want no node", key, err)
		}
	}
	if v := other.view(t); v.Config.Object == nil {
		t.Error("the other cluster's keys are gone, too")
	}
}

func TestOpenToAnyone(t *testing.T) {
	t.Parallel()
	a, c := start(t, ""), raw(t)
	a.fill(t)
	for acl, want := range map[*zk.ACL]bool{
		{Perms: zk.PermAll, Scheme: "world", ID: "anyone"}:                 true,
		{Perms: zk.PermRead | zk.PermAdmin, Scheme: "world", ID: "anyone"}: false,
	} {
		if _, err := c.SetACL(a.paths.base, []zk.ACL{*acl}, -1); err != nil {
			t.Fatal(err)
		}
		if got, err := a.OpenToAnyone(t.Context()); err != nil || got != want {
			t.Errorf("%+v: got %v, %v, want %v", *acl, got, err, want)
		}
	}
}
