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

// repository is a pgBackRest repository of one stanza.
type repository struct{ dir, config string }

func newRepository(t *testing.T) repository {
	t.Helper()
	if _, err := exec.LookPath("pgbackrest"); err != nil {
		t.Skip("pgbackrest is not installed; make test installs it where the distribution has it")
	}
	dir, err := os.MkdirTemp("", "pgregent-backrest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r := repository{dir: dir, config: filepath.Join(dir, "pgbackrest.conf")}
	text := fmt.Sprintf("[global]\nrepo1-path=%[1]s/repo\nlog-path=%[1]s/log\nlock-path=%[1]s/lock\nspool-path=%[1]s/spool\nstart-fast=y\ncompress-type=none\n", dir)
	if err := os.WriteFile(r.config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"repo", "log", "lock", "spool"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return r
}

// command is a command line of pgBackRest with the data directory as the
// working directory.
func (r repository) command(words string) string {
	return fmt.Sprintf("pgbackrest --config=%s --stanza=main --pg1-path=$(pwd) %s", r.config, words)
}

// run runs pgBackRest on a node, as the owner of its data.
func (r repository) run(t *testing.T, n *lab.Node, words string) {
	t.Helper()
	line := r.command(fmt.Sprintf("--pg1-port=%d --pg1-socket-path=%s %s", n.SQLPort, filepath.Dir(n.DataDir), words))
	cmd := exec.Command("sh", "-c", line)
	if os.Geteuid() == 0 {
		cmd = exec.Command("runuser", "-u", "postgres", "--", "sh", "-c", line)
	}
	cmd.Dir = n.DataDir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pgbackrest %s: %v\n%s", words, err, out)
	}
}

// A replica, its delta restore, and a new cluster from one real repository.
func TestPgBackRest(t *testing.T) {
	r := newRepository(t)
	dcs := lab.DefaultDCS + fmt.Sprintf(`  parameters:
    archive_mode: "on"
    archive_command: '%s'
`, r.command("archive-push %p"))
	extra := func(string) string {
		return fmt.Sprintf(`  create_replica_methods: [pgbackrest]
  recovery_conf:
    restore_command: '%s'
plugins:
  pgbackrest:
    settings: {stanza: main, config: %s}
    nice: 5
`, r.command(`archive-get %f "%p"`), r.config)
	}
	l := lab.New(t, lab.Options{Nodes: 2, DCS: dcs, Node: extra, Lazy: true})
	first, second := l.Nodes[0], l.Nodes[1]
	first.Start()
	l.WaitHealthy(60 * time.Second)
	r.run(t, first, "stanza-create")
	first.MustExec("CREATE TABLE kept (n int); INSERT INTO kept SELECT generate_series(1, 1000)")
	r.run(t, first, "backup --type=full")
	second.Start()
	l.WaitHealthy(90 * time.Second)
	expect := func(text string) {
		t.Helper()
		if !strings.Contains(second.Log(), text) {
			t.Errorf("the log of the replica does not say %q", text)
		}
	}
	expect(`msg="data directory made" method=pgbackrest`)
	expect(`phase=restore message="backup `)
	before := second.Log()
	post(t, second, "/reinitialize", `{"force": true}`, 200)
	l.Wait(60*time.Second, "the delta restore", func() string {
		if !strings.Contains(strings.TrimPrefix(second.Log(), before), `msg="data directory made" method=pgbackrest`) {
			return "not yet"
		}
		return ""
	})
	l.WaitHealthy(60 * time.Second)
	first.MustExec("INSERT INTO kept VALUES (0); SELECT pg_switch_wal()")
	restored(t, r)
}

// restored makes a new cluster from the repository, and reads what it holds.
func restored(t *testing.T, r repository) {
	l := lab.New(t, lab.Options{Nodes: 1, Lazy: true, Scope: "restored", Node: func(string) string {
		return fmt.Sprintf("plugins:\n  pgbackrest:\n    settings: {stanza: main, config: %s}\n", r.config)
	}})
	n := l.Nodes[0]
	text, err := os.ReadFile(n.Config)
	if err != nil {
		t.Fatal(err)
	}
	method := "  method: pgbackrest\n  pgbackrest: {keep_existing_recovery_conf: true}\n  initdb:\n"
	if err := os.WriteFile(n.Config, []byte(strings.Replace(string(text), "  initdb:\n", method, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	n.Start()
	l.WaitHealthy(90 * time.Second)
	if got, err := n.Query("SELECT count(*) >= 1000 FROM kept"); err != nil || got != "true" {
		t.Errorf("rows of the backup: got %s, %v", got, err)
	}
	if got, err := n.Query("SELECT timeline_id > 1 FROM pg_control_checkpoint()"); err != nil || got != "true" {
		t.Errorf("a timeline of its own: got %s, %v", got, err)
	}
}
