package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// asPostgres runs a program of PostgreSQL as the user of the lab's servers.
func asPostgres(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(lab.BinDir(), program), args...)
	cmd.Dir = dir
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32)
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// TestAdoptSingleServer gives a running server that no agent ever managed to
// one: it goes on without a restart, and standbys are copied from it.
func TestAdoptSingleServer(t *testing.T) {
	l := lab.New(t, lab.Options{Nodes: 2, Lazy: true})
	n := l.Nodes[0]
	base := filepath.Dir(n.DataDir)
	asPostgres(t, base, "initdb", "-D", n.DataDir, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--data-checksums")
	conf := fmt.Sprintf("port = %d\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '%s'\nwork_mem = '9MB'\nshared_buffers = '24MB'\n", n.SQLPort, base)
	f, err := os.OpenFile(filepath.Join(n.DataDir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(conf); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	asPostgres(t, base, "pg_ctl", "-D", n.DataDir, "-l", filepath.Join(base, "server.log"), "-w", "start")
	n.MustExec(`CREATE TABLE kept (x int); INSERT INTO kept VALUES (7);
ALTER ROLE postgres PASSWORD 's3cret: ''x'''; CREATE ROLE replicator REPLICATION LOGIN PASSWORD 'repl'; CREATE ROLE rewinder LOGIN PASSWORD 'rew'`)
	before := n.Postmaster()
	n.Start()
	l.Wait(60*time.Second, "the server's agent to lead", func() string {
		if l.Leader() != n {
			return "it does not"
		}
		return ""
	})
	if n.Postmaster() != before {
		t.Errorf("the postmaster was %d and is %d", before, n.Postmaster())
	}
	for setting, want := range map[string]string{"work_mem": "9MB", "shared_buffers": "24MB"} { // of the original file
		if got, err := n.Query("SHOW " + setting); got != want {
			t.Errorf("%s is %s (%v), want %s", setting, got, err, want)
		}
	}
	l.Wait(20*time.Second, "the reason to restart", func() string {
		if reason := pendingOf(n).String(); !strings.Contains(reason, "wal_log_hints") {
			return reason
		}
		return ""
	})
	l.Nodes[1].Start()
	l.WaitHealthy(60 * time.Second)
	if got, err := l.Nodes[1].Query("SELECT x FROM kept"); got != "7" {
		t.Errorf("the standby has %q (%v), want 7", got, err)
	}
	restart(t, n)
	waitPending(l, n, "{}")
	if got, err := n.Query("SHOW work_mem"); got != "9MB" {
		t.Errorf("after the restart work_mem is %s (%v)", got, err)
	}
}
