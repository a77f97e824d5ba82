package zkdcs

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/zkdcs/zktest"
)

func TestStoreWithoutNameOwnsNothing(t *testing.T) {
	t.Parallel()
	a := start(t, "")
	if err := a.SetConfig(t.Context(), &cluster.Object{}, cluster.AnyVersion); err != nil {
		t.Errorf("set config: %v", err)
	}
	if ok, err := a.Acquire(t.Context(), nil); ok || err == nil {
		t.Errorf("acquire: got %v, %v, want an error", ok, err)
	}
	if err := a.SetMember(t.Context(), running); err == nil {
		t.Error("set member: got no error")
	}
}

func TestChroot(t *testing.T) {
	t.Parallel()
	a := start(t, "a", func(o *Options) { o.Chroot = "/some/where" })
	a.acquire(t)
	if ok, _, err := raw(t).Exists("/some/where/service/" + scope(t) + "/leader"); !ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
}

func TestServerRestartKeepsTheLeader(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	a := start(t, "a", func(o *Options) { o.Hosts = []string{server.Addr()}; o.SessionTimeout = 10 * time.Second })
	first := a.acquire(t)
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	restarted := lease.Now()
	a.await(t, "a renewal", func() bool { l := a.Lease(); return restarted.Before(l.Sent) && l.Valid(lease.Now()) })
	if got := a.Lease().Epoch; got != first.Epoch {
		t.Errorf("got epoch %d, want %d", got, first.Epoch)
	}
	a.await(t, "a view", func() bool { _, err := a.Load(t.Context()); return err == nil })
}

func TestPausedServer(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	a := start(t, "a", func(o *Options) { o.Hosts = []string{server.Addr()} })
	a.acquire(t)
	server.Pause()
	a.await(t, "the end of the lease", func() bool { return !a.Lease().Valid(lease.Now()) })
	begin := time.Now()
	if _, err := a.Load(t.Context()); err != nil && !errors.Is(err, cluster.ErrUnreachable) {
		t.Errorf("load: got %v", err)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("load took %v", took)
	}
	server.Resume()
	a.await(t, "a view", func() bool { _, err := a.Load(t.Context()); return err == nil })
}

func TestDigestCredentials(t *testing.T) {
	t.Parallel()
	a := start(t, "a", func(o *Options) { o.AuthData = map[string]string{"digest": "me:secret"} })
	c := raw(t)
	path := a.paths.of(keyConfig)
	if _, err := c.Create(path, []byte(`{"ttl":9}`), 0, zk.DigestACL(zk.PermAll, "me", "secret")); err != nil {
		t.Fatal(err)
	}
	a.awaitView(t, "the protected key", func(c *cluster.Cluster) bool { return c.Config.Object != nil })
	if err := a.SetConfig(t.Context(), &cluster.Object{}, 0); err != nil {
		t.Errorf("set config: %v", err)
	}
}

func TestHugeValueIsRefused(t *testing.T) {
	t.Parallel()
	a := start(t, "a")
	o := &cluster.Object{}
	o.Set("x", strings.Repeat("x", maxFrame))
	if err := a.SetConfig(t.Context(), o, cluster.AnyVersion); err == nil || errors.Is(err, cluster.ErrOutcomeUnknown) {
		t.Errorf("got %v, want a plain error", err)
	}
	if err := a.SetConfig(t.Context(), &cluster.Object{}, cluster.AnyVersion); err != nil {
		t.Errorf("the connection was lost: %v", err)
	}
}

func TestNewChecksOptions(t *testing.T) {
	good := Options{Access: Access{Hosts: []string{"h:1"}}, Scope: "s", SessionTimeout: time.Second}
	if _, err := New(good); err != nil {
		t.Errorf("got %v", err)
	}
	for name, change := range map[string]func(*Options){
		"hosts":   func(o *Options) { o.Hosts = nil },
		"scope":   func(o *Options) { o.Scope = "" },
		"timeout": func(o *Options) { o.SessionTimeout = 0 },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("no %s: got no error", name)
		}
	}
}
