package zkdcs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/zkdcs/zktest"
)

// The servers are set back to a state in which another member led. That one's
// znode comes back, but no lease does: nobody holds one beside another, and
// the first new one is of an acquisition.
func TestARestoredStoreEndsTheLease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, err := zktest.Launch(t.Context(), zktest.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	direct := func(o *Options) { o.Hosts = []string{server.Addr()} }
	a, b := start(t, "a", direct), start(t, "b", direct)
	first := a.acquire(t)
	backup := filepath.Join(t.TempDir(), "data")
	server.Kill()
	if err := os.CopyFS(backup, os.DirFS(filepath.Join(dir, "data"))); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.await(t, "the lock to be released", func() bool { return a.Release(t.Context(), cluster.Status{}) == nil })
	b.await(t, "the lock", func() bool {
		won, err := b.Acquire(t.Context(), b.viewSoon(t))
		return won && err == nil
	})
	second := b.Lease()
	if second.Epoch <= first.Epoch {
		t.Fatalf("epoch %d follows %d", second.Epoch, first.Epoch)
	}

	server.Kill()
	if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "data"), os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	valid := func(n *node) bool { return n.Lease().Valid(lease.Now()) }
	a.await(t, "a leader by the old state", func() bool {
		switch {
		case valid(a) && valid(b):
			t.Fatalf("both hold a lease: %+v, %+v", a.Lease(), b.Lease())
		case valid(b): // until its deadline
			return false
		case valid(a):
			return true
		}
		view, err := a.Load(t.Context())
		if err != nil || view.Leader != nil { // the old znode, until its session expires
			return false
		}
		won, err := a.Acquire(t.Context(), view)
		return won && err == nil
	})
	if third := a.Lease(); third.Epoch == first.Epoch || b.Lease().Epoch == second.Epoch && valid(b) {
		t.Errorf("a lease of before goes on: %+v, %+v", third, b.Lease())
	}
}

// viewSoon waits for a view.
func (n *node) viewSoon(t *testing.T) *cluster.Cluster {
	t.Helper()
	return n.awaitView(t, "a view", func(*cluster.Cluster) bool { return true })
}
