package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// A bootstrap that a script fails leaves the same behind with Patroni and with
// this agent.
func TestFailedBootstrapAsByPatroni(t *testing.T) {
	t.Parallel()
	patroni, err := exec.LookPath("patroni")
	if err != nil {
		t.Skip("patroni is not installed; make test installs it where the distribution has it")
	}
	for name, section := range map[string]string{
		"post_bootstrap": "  post_bootstrap: DIR/fails\n",
		"method":         "  method: restore\n  restore: {command: DIR/fails}\n",
	} {
		ours, theirs := failedBootstrap(t, "", section), failedBootstrap(t, patroni, section)
		t.Logf("%s: %s", name, ours)
		if ours != theirs {
			t.Errorf("%s: got %s, by Patroni %s", name, ours, theirs)
		}
	}
}

// failedBootstrap is what a member leaves that begins a cluster with a section
// under bootstrap that fails.
func failedBootstrap(t *testing.T, program, section string) string {
	dir := scripts(t, map[string]string{"fails": "exit 3\n"})
	l := lab.New(t, lab.Options{Nodes: 1, Program: program, Lazy: true})
	n := l.Nodes[0]
	text, err := os.ReadFile(n.Config)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "  initdb:\n", strings.ReplaceAll(section, "DIR", dir)+"  initdb:\n", 1)
	if err := os.WriteFile(n.Config, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	n.Start()
	code := n.WaitExit(30 * time.Second)
	has := func(path string) bool {
		_, err := os.Stat(filepath.Join(path, "PG_VERSION"))
		return err == nil
	}
	return fmt.Sprintf("exit status %d, data directory %v, moved away %v, PostgreSQL runs %v", code, has(n.DataDir), has(n.DataDir+".failed"), len(n.Servers()) > 0)
}
