package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// holds keep the PostgreSQL of nodes in its start: a standby asks its
// restore_command for the log that it begins with, before it lets anybody in,
// and the command does not return while a file named for the node is there.
type holds struct{ dir string }

func newHolds(t *testing.T) holds {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgregent-hold-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // the servers run as another user
		t.Fatal(err)
	}
	return holds{dir}
}

func (h holds) file(node string) string { return filepath.Join(h.dir, node) }

// config is the part of a node's file below postgresql.
func (h holds) config(node string) string {
	return fmt.Sprintf("  recovery_conf:\n    restore_command: while [ -e %s ]; do sleep 0.2; done; false\n", h.file(node))
}

// start has the node's PostgreSQL crash and hang in the start that follows,
// calls f while it does, and waits until it runs again.
func (h holds) start(l *lab.Lab, n *lab.Node, limit time.Duration, f func()) {
	l.T.Helper()
	if err := os.WriteFile(h.file(n.Name), nil, 0o644); err != nil {
		l.T.Fatal(err)
	}
	before := n.Postmaster()
	_ = syscall.Kill(before, syscall.SIGQUIT)
	l.Wait(limit, n.Name+" to be starting", func() string {
		doc, err := n.GetJSON("/health")
		if err != nil || doc.Get("state") != "starting" || n.Postmaster() == 0 || n.Postmaster() == before {
			return fmt.Sprint(doc, err)
		}
		return ""
	})
	f()
	if doc, err := n.GetJSON("/health"); err != nil || doc.Get("state") != "starting" {
		l.T.Errorf("%s did not stay in its start: %v %v", n.Name, doc, err)
	}
	if err := os.Remove(h.file(n.Name)); err != nil {
		l.T.Fatal(err)
	}
	l.Wait(limit, n.Name+" to stream", func() string {
		if code, text, err := n.Call("GET", "/readiness", ""); err != nil || code != 200 {
			return fmt.Sprint(code, text, err)
		}
		return ""
	})
}
