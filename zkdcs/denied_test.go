package zkdcs

import (
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// A member that has closed its key already must not blind the others: they
// see that it is there, are told why they see no more, and see the rest.
func TestAMemberThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	const id = "me:mywVnF2yfVvfUSDb8eQUSrdbhvM=" // of me:s3cret
	open := start(t, "open")
	if err := open.SetMember(t.Context(), running); err != nil {
		t.Fatal(err)
	}
	closed := start(t, "closed", func(o *Options) {
		o.AuthData = map[string]string{"digest": "me:s3cret"}
		o.ACL = []config.ACL{{Scheme: "digest", ID: id, Permissions: 31}}
	})
	if err := closed.SetMember(t.Context(), running); err != nil {
		t.Fatal(err)
	}
	c := open.awaitView(t, "both members", func(c *cluster.Cluster) bool { return len(c.Members) == 2 })
	if m := c.Member("closed"); m.Session != closed.SessionID() || m.Data.State != "" {
		t.Errorf("the closed member is shown as %+v", m)
	}
	if m := c.Member("open"); m.Data.State != running.State {
		t.Errorf("the open member is shown as %+v", m)
	}
	if len(c.Findings) != 1 || !strings.Contains(c.Findings[0], "members/closed cannot be read") {
		t.Errorf("findings: %q", c.Findings)
	}
	reads := open.Store.view.reads.Load()
	open.view(t)
	if more := open.Store.view.reads.Load() - reads; more != 0 {
		t.Errorf("%d reads though nothing has changed", more)
	}

	t.Log("once it is opened, its next change is seen")
	raw := raw(t)
	if err := raw.AddAuth("digest", []byte("me:s3cret")); err != nil {
		t.Fatal(err)
	}
	if _, err := raw.SetACL(closed.paths.member("closed"), zk.WorldACL(zk.PermAll), -1); err != nil {
		t.Fatal(err)
	}
	change := running
	change.State = cluster.StateStopped
	if err := closed.SetMember(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	c = open.awaitView(t, "the opened member", func(c *cluster.Cluster) bool { return len(c.Findings) == 0 })
	if m := c.Member("closed"); m == nil || m.Data.State != cluster.StateStopped {
		t.Errorf("the opened member is shown as %+v", m)
	}

	t.Log("and its end")
	if err := closed.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	open.awaitView(t, "the end of the member", func(c *cluster.Cluster) bool { return len(c.Members) == 1 })
}
