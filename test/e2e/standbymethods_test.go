package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// The leaders of standby clusters are made by the methods of standby_cluster,
// not by those of their own members: with a server to copy from, and with an
// archive only, by a method that needs no running server.
func TestStandbyClusterMadeByItsMethods(t *testing.T) {
	t.Parallel()
	archive := filepath.Join(scripts(t, nil), "archive")
	main := lab.New(t, lab.Options{Nodes: 1, DCS: fast + fmt.Sprintf(`  parameters: {archive_mode: "on", archive_command: 'mkdir -p %[1]s && cp %%p %[1]s/%%f'}
`, archive)})
	main.WaitHealthy(60 * time.Second)
	first := main.Leader()
	first.MustExec("CREATE TABLE seen (id int); INSERT INTO seen VALUES (1)")
	backup := takeBackup(t, first, filepath.Dir(archive))

	broken := "exit 1\n"
	copyIt := `for a in "$@"; do case $a in --datadir=*) D=${a#*=};; --connstring=*) C=${a#*=};; esac; done
exec ` + lab.BinDir() + `/pg_basebackup -D "$D" -X stream -c fast -d "$C"
`
	tape := `for a in "$@"; do case $a in --datadir=*) D=${a#*=};; --connstring=?*) exit 3;; esac; done
cp -a ` + backup + `/. "$D"
`
	for _, c := range []struct{ name, section, says string }{
		{
			"copied", fmt.Sprintf(`{host: 127.0.0.1, port: %d, create_replica_methods: [broken, copied]}`, first.SQLPort),
			`msg="replica method failed" method=broken`,
		},
		{"tape", fmt.Sprintf(`{restore_command: 'cp %s/%%f %%p', create_replica_methods: [basebackup, copied, tape]}`, archive), ""},
	} {
		dir := scripts(t, map[string]string{"broken": broken, "copied": copyIt, "tape": tape, "own": broken})
		dr := lab.New(t, lab.Options{
			Nodes: 1, Lazy: true, ZooKeeper: []string{main.ZK.Addr()}, Scope: c.name, Prefix: c.name,
			DCS: fast + "standby_cluster: " + c.section + "\n",
			Node: func(string) string {
				return fmt.Sprintf(`  create_replica_methods: [own]
  own: {command: %[1]s/own, no_leader: 1}
  broken: {command: %[1]s/broken}
  copied: {command: %[1]s/copied}
  tape: {command: %[1]s/tape, no_leader: 1}
`, dir)
			},
		})
		leader := madeStandby(t, dr)
		if log := leader.Log(); !strings.Contains(log, `msg="data directory made" method=`+c.name) || !strings.Contains(log, c.says) ||
			strings.Contains(log, "method=own") || strings.Contains(log, "method=basebackup") {
			t.Errorf("%s was not made by its method:\n%s", c.name, log)
		}
		first.MustExec(fmt.Sprintf("INSERT INTO seen VALUES (%d)", len(c.name)))
		first.MustExec("SELECT pg_switch_wal()") // after the commit, so that it is archived
		arrives(dr, 1)
		arrives(dr, len(c.name))
	}
}

// madeStandby starts the only node and waits until it is the leader of a
// standby cluster.
func madeStandby(t *testing.T, l *lab.Lab) *lab.Node {
	t.Helper()
	l.Nodes[0].Start()
	l.Wait(90*time.Second, "a standby leader", func() string {
		if l.Leader() == nil {
			return "none"
		}
		return ""
	})
	answers(l, l.Nodes[0], asStandbyLeader)
	return l.Nodes[0]
}

// takeBackup makes a base backup below dir, for the user that the lab runs as.
func takeBackup(t *testing.T, n *lab.Node, dir string) string {
	t.Helper()
	to := filepath.Join(dir, "backup")
	cmd := exec.Command(lab.BinDir()+"/pg_basebackup", "-D", to, "-X", "stream", "-c", "fast", "-d", n.DSN())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pg_basebackup: %v\n%s", err, out)
	}
	if out, err := exec.Command("chown", "-R", "--reference", n.DataDir, to).CombinedOutput(); err != nil {
		t.Fatalf("chown %s: %v\n%s", to, err, out)
	}
	return to
}
