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

// asServer runs a command line as the user of the servers.
func asServer(t *testing.T, line string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	if os.Geteuid() == 0 {
		cmd = exec.Command("runuser", "-u", "postgres", "--", "sh", "-c", line)
	}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// A new cluster from a base backup and the archive, up to a point in the past:
// bootstrap by a command with recovery_conf. A replica then follows it.
func TestBootstrapToAPointInTime(t *testing.T) {
	t.Parallel()
	dir := scripts(t, map[string]string{
		"restore": `for a in "$@"; do case $a in --datadir=*) D=${a#*=};; --from=*) F=${a#*=};; esac; done
cp -a "$F/." "$D"
`,
	})
	archive, base := filepath.Join(dir, "archive"), filepath.Join(dir, "base")
	asServer(t, "mkdir "+archive)
	l := lab.New(t, lab.Options{Nodes: 1, HBA: []string{"local replication all trust"}, DCS: lab.DefaultDCS + fmt.Sprintf(`  parameters:
    archive_mode: "on"
    archive_command: 'cp %%p %s/%%f'
`, archive)})
	old := l.Leader()
	old.MustExec("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)")
	asServer(t, fmt.Sprintf("%s/pg_basebackup -h %s -p %d -U postgres -D %s -X none -c fast", lab.BinDir(), filepath.Dir(old.DataDir), old.SQLPort, base))
	old.MustExec("INSERT INTO kept VALUES (2)")
	old.MustExec("SELECT pg_create_restore_point('before the mistake')")
	old.MustExec("DELETE FROM kept; SELECT pg_switch_wal()")
	l.Wait(30*time.Second, "the log in the archive", func() string {
		got, err := old.Query("SELECT last_archived_wal FROM pg_stat_archiver")
		if err != nil || got < "000000010000000000000003" {
			return fmt.Sprint(got, err)
		}
		return ""
	})

	r := lab.New(t, lab.Options{Nodes: 2, Lazy: true, Scope: "restored", Prefix: "re", ZooKeeper: []string{l.ZK.Addr()}})
	for _, n := range r.Nodes {
		text, err := os.ReadFile(n.Config)
		if err != nil {
			t.Fatal(err)
		}
		method := fmt.Sprintf(`  method: pitr
  pitr:
    command: %s/restore
    from: %s
    recovery_conf:
      restore_command: cp %s/%%f %%p
      recovery_target_name: before the mistake
      recovery_target_action: promote
  initdb:
`, dir, base, archive)
		if err := os.WriteFile(n.Config, []byte(strings.Replace(string(text), "  initdb:\n", method, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	first, second := r.Nodes[0], r.Nodes[1]
	first.Start()
	r.WaitHealthy(90 * time.Second)
	second.Start()
	r.WaitHealthy(90 * time.Second)
	want := fmt.Sprintf("restore [--scope=restored] [--datadir=%s] [--from=%s]", first.DataDir, base)
	if got := calls(t, dir); len(got) != 1 || got[0] != want {
		t.Errorf("calls: got %q, want %q", got, want)
	}
	for _, n := range r.Nodes {
		if got, err := n.Query("SELECT string_agg(n::text, ' ' ORDER BY n) FROM kept"); err != nil || got != "1 2" {
			t.Errorf("%s: rows: got %s, %v, want what was there before the mistake", n.Name, got, err)
		}
		if got, err := n.Query("SELECT timeline_id > 1 FROM pg_control_checkpoint()"); err != nil || got != "true" {
			t.Errorf("%s: a timeline of its own: got %s, %v", n.Name, got, err)
		}
	}
	// The running server keeps what it has recovered to until its next start.
	if got, err := first.Query("SELECT count(*) FROM pg_file_settings WHERE name LIKE 'recovery_target_n%' OR name = 'restore_command'"); err != nil || got != "0" {
		t.Errorf("%s settings of the recovery are left on the new primary, %v", got, err)
	}
	if doc, err := first.GetJSON("/patroni"); err != nil || doc.Has("pending_restart") {
		t.Errorf("the new primary wants a restart: %v, %v", doc, err)
	}
	if _, err := os.Stat(filepath.Join(first.DataDir, "recovery.signal")); !os.IsNotExist(err) {
		t.Errorf("recovery.signal is still there: %v", err)
	}
	if one, err := old.Query("SELECT count(*) FROM kept"); err != nil || one != "0" {
		t.Errorf("the old cluster has changed: %s, %v", one, err)
	}
}
