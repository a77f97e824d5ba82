package zkdcs

import (
	"errors"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
)

// ephemeral creates a znode of c's session.
func ephemeral(t *testing.T, c *zk.Conn, path, value string) {
	t.Helper()
	if _, err := c.Create(path, []byte(value), zk.FlagEphemeral, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatalf("create %s: %v", path, err)
	}
}

// owner is the session of an ephemeral, 0 if there is none.
func owner(t *testing.T, c *zk.Conn, path string) int64 {
	t.Helper()
	_, stat, err := c.Exists(path)
	if err != nil {
		t.Fatal(err)
	}
	return stat.EphemeralOwner
}

func TestFormerAgentsLockIsInherited(t *testing.T) {
	t.Parallel()
	a, other, c := start(t, "a"), start(t, "b"), raw(t)
	ephemeral(t, c, a.paths.member("a"), `{"state":"running"}`)
	ephemeral(t, c, a.paths.of(keyLeader), "a")
	view := a.awaitView(t, "the former leader", func(c *cluster.Cluster) bool { return c.Leader != nil })
	former := c.SessionID()
	if ok, err := a.Acquire(t.Context(), view); ok || !errors.Is(err, cluster.ErrNameInUse) {
		t.Fatalf("acquire without inheritance: got %v, %v, want ErrNameInUse", ok, err)
	}
	a.Inherit(former)
	if err := a.SetMember(t.Context(), running); !errors.Is(err, cluster.ErrNameInUse) {
		t.Errorf("set member before the lock is inherited: got %v, want ErrNameInUse", err)
	}
	if ok, err := a.Acquire(t.Context(), view); !ok || err != nil {
		t.Fatalf("acquire: got %v, %v, want true", ok, err)
	}
	if !a.Lease().Held() {
		t.Error("no lease after the inheritance")
	}
	for _, path := range []string{a.paths.member("a"), a.paths.of(keyLeader)} {
		if got := owner(t, c, path); got != a.SessionID() {
			t.Errorf("%s: got owner %#x, want %#x", path, got, a.SessionID())
		}
	}
	if err := a.SetMember(t.Context(), running); err != nil {
		t.Errorf("set member: %v", err)
	}
	c.Close() // ends the former session, which owns nothing any more
	if v := other.awaitView(t, "the heir", func(c *cluster.Cluster) bool { return c.Leader != nil && c.Leader.Session == a.SessionID() }); v.LeaderName() != "a" {
		t.Errorf("got leader %q, want a", v.LeaderName())
	}
}

// TestAnInheritanceIsAppliedOnce lets an attempt that got no answer be applied
// after the one that was made in its place.
func TestAnInheritanceIsAppliedOnce(t *testing.T) {
	t.Parallel()
	a, c := start(t, "a"), raw(t)
	ephemeral(t, c, a.paths.member("a"), `{"state":"running"}`)
	ephemeral(t, c, a.paths.of(keyLeader), "a")
	view := a.awaitView(t, "the former leader", func(c *cluster.Cluster) bool { return c.Leader != nil })
	a.Inherit(c.SessionID())
	l, _, err := a.connected()
	if err != nil {
		t.Fatal(err)
	}
	registered, err := readNode(t.Context(), l, a.paths.registration("a"))
	if err != nil {
		t.Fatal(err)
	}
	former, err := a.readEstate(t.Context(), l)
	if err != nil || !former.leads {
		t.Fatalf("got %+v, %v", former, err)
	}
	late := a.inheritance(former, registered.stat.Version)
	if ok, err := a.Acquire(t.Context(), view); !ok || err != nil {
		t.Fatalf("acquire: got %v, %v, want true", ok, err)
	}
	epoch := a.Lease().Epoch
	if _, _, err := write(t.Context(), l, late...); !errors.Is(err, zk.ErrBadVersion) {
		t.Errorf("the late attempt: got %v, want ErrBadVersion", err)
	}
	n, err := readNode(t.Context(), l, a.paths.of(keyLeader))
	if err != nil || cluster.Epoch(n.stat.Czxid) != epoch {
		t.Errorf("the leader znode is of epoch %d (%v), want %d", n.stat.Czxid, err, epoch)
	}
}

func TestOnlyTheFormerSessionIsInherited(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T, a *node, former, stranger *zk.Conn){
		"leader of a stranger under our name": func(t *testing.T, a *node, former, stranger *zk.Conn) {
			ephemeral(t, former, a.paths.member("a"), "{}")
			ephemeral(t, stranger, a.paths.of(keyLeader), "a")
		},
		"leader of the former session without its member key": func(t *testing.T, a *node, former, _ *zk.Conn) {
			ephemeral(t, former, a.paths.of(keyLeader), "a")
		},
		"member key of a stranger": func(t *testing.T, a *node, former, stranger *zk.Conn) {
			ephemeral(t, former, a.paths.of(keyLeader), "a")
			ephemeral(t, stranger, a.paths.member("a"), "{}")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, former, stranger := start(t, "a"), raw(t), raw(t)
			prepare(t, a, former, stranger)
			view := a.awaitView(t, "a leader", func(c *cluster.Cluster) bool { return c.Leader != nil })
			before := owner(t, former, a.paths.of(keyLeader))
			a.Inherit(former.SessionID())
			if ok, _ := a.Acquire(t.Context(), view); ok {
				t.Error("acquired a lock that is not the former session's")
			}
			if got := owner(t, former, a.paths.of(keyLeader)); got != before {
				t.Errorf("the leader znode's owner is %#x, was %#x", got, before)
			}
		})
	}
}

func TestFormerAgentsMemberKeyIsInherited(t *testing.T) {
	t.Parallel()
	a, c := start(t, "a"), raw(t)
	ephemeral(t, c, a.paths.member("a"), `{"state":"running"}`)
	a.Inherit(c.SessionID())
	if err := a.SetMember(t.Context(), running); err != nil {
		t.Fatalf("set member: %v", err)
	}
	if got := owner(t, c, a.paths.member("a")); got != a.SessionID() {
		t.Errorf("got owner %#x, want %#x", got, a.SessionID())
	}
}

// TestChangesAreAnnouncedToMembersThatDoNotWatchValues looks whether the
// znode is made anew, which the list of members tells, or only set.
func TestChangesAreAnnouncedToMembersThatDoNotWatchValues(t *testing.T) {
	t.Parallel()
	promoted, moved := running, running
	promoted.Role, promoted.CheckpointPending = cluster.RolePrimary, true
	moved.XLogLocation = 77
	for name, tc := range map[string]struct {
		other string // version of the other member
		next  cluster.MemberData
		anew  bool
	}{
		"promotion beside 3.0.2":   {"3.0.2", promoted, true},
		"promotion beside 2.1":     {"2.1", promoted, true},
		"promotion beside 3.2":     {"3.2.0", promoted, false},
		"promotion beside unknown": {"", promoted, false},
		"position beside 3.0.2":    {"3.0.2", moved, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, c := start(t, "a"), raw(t)
			ephemeral(t, c, a.paths.member("b"), `{"version":"`+tc.other+`"}`)
			if err := a.SetMember(t.Context(), running); err != nil {
				t.Fatal(err)
			}
			v := a.awaitView(t, "both members", func(c *cluster.Cluster) bool { return len(c.Members) == 2 })
			_, before, err := c.Exists(a.paths.member("a"))
			if err != nil {
				t.Fatal(err)
			}
			if err := a.SetMember(t.Context(), tc.next); err != nil {
				t.Fatal(err)
			}
			data, after, err := c.Get(a.paths.member("a"))
			if err != nil {
				t.Fatal(err)
			}
			if anew := after.Czxid != before.Czxid; anew != tc.anew {
				t.Errorf("made anew: got %v, want %v (members %v)", anew, tc.anew, v.Members)
			}
			if want, _ := cluster.EncodeJSON(tc.next); string(data) != string(want) || after.EphemeralOwner != a.SessionID() {
				t.Errorf("got %s of %#x, want %s of %#x", data, after.EphemeralOwner, want, a.SessionID())
			}
		})
	}
}
