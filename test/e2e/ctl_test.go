package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/cmd/pgregentctl/command"
	"github.com/pgregent/pgregent/test/lab"
)

// tool runs pgregentctl with a node's file and expects an exit code and a
// sentence.
func (r *run) tool(code int, want string, args ...string) string {
	r.t.Helper()
	var out bytes.Buffer
	got := command.Run(r.t.Context(), command.Process{
		Args: append([]string{"-c", r.Nodes[0].Config}, args...), In: strings.NewReader(""), Out: &out, Err: &out,
		Environ: toolEnviron(), Version: "test",
	})
	if got != code || !strings.Contains(out.String(), want) {
		r.t.Fatalf("pgregentctl %s: exit %d, want %d with %q in\n%s", strings.Join(args, " "), got, code, want, &out)
	}
	return out.String()
}

// toolEnviron has the password of the lab's superuser.
func toolEnviron() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "PGPASSWORD=s3cret: 'x'"}
}

// moving is what differs between two looks at a live cluster.
var moving = regexp.MustCompile(`20\d\d-\d\d-\d\d[ T][\d:.]+`)

// asPatronictl compares both tools on the same cluster, exit code included.
func (r *run) asPatronictl(args ...string) {
	r.t.Helper()
	ask := func() (ours, theirs string, codes [2]int) {
		var a, b bytes.Buffer
		codes[0] = command.Run(r.t.Context(), command.Process{
			Args: append([]string{"-c", r.Nodes[0].Config, "--compat", "3.0"}, args...), In: strings.NewReader(""), Out: &a, Err: &bytes.Buffer{},
			Environ: toolEnviron(),
		})
		cmd := exec.CommandContext(r.t.Context(), "patronictl", append([]string{"-c", r.Nodes[0].Config}, args...)...)
		cmd.Stdout, cmd.Env = &b, append(os.Environ(), toolEnviron()...)
		_ = cmd.Run() // the exit code is compared
		codes[1] = cmd.ProcessState.ExitCode()
		return moving.ReplaceAllString(a.String(), "TIME"), moving.ReplaceAllString(b.String(), "TIME"), codes
	}
	var ours, theirs string
	var codes [2]int
	for range 3 { // the cluster lives: a lag may change between two looks
		if ours, theirs, codes = ask(); ours == theirs && codes[0] == codes[1] {
			return
		}
	}
	r.t.Errorf("%s: exit codes %v\nours:\n%s\ntheirs:\n%s", strings.Join(args, " "), codes, ours, theirs)
}

// The tool works the same on agents of both kinds: the second node is Patroni's.
func TestOperatorsTool(t *testing.T) {
	r := mixed(t, lab.Options{DCS: mixedDCS}, "pg2")
	for _, args := range [][]string{
		{"list", lab.Scope},
		{"list", lab.Scope, "-f", "json"},
		{"topology", lab.Scope},
		{"show-config"},
		{"dsn", "-m", "pg2"},
		{"query", "-U", "postgres", "-c", "select 1 as a, null as b, true as c, 1.5::float8 as d, 2.50 as e, 'x y' as f"},
	} {
		r.asPatronictl(args...)
	}
	r.startsAtOnce()
	r.tool(0, "in_recovery\nTrue\n", "query", lab.Scope, "-U", "postgres", "-r", "replica", "-c", "SELECT pg_is_in_recovery() AS in_recovery")
	r.tool(0, "ERROR, SQLSTATE: 42601", "query", lab.Scope, "-U", "postgres", "-c", "SELEC")
	r.tool(0, "pg2: Patroni 3.0.2 PostgreSQL ", "version", lab.Scope)
	r.tool(0, "HEALTHY", "status")
	r.tool(0, " would lead\n", "whatif", "pg1")
	r.tool(1, "fsync is off", "doctor") // the lab's servers are for tests
	r.tool(0, "is ready to move", "migrate", "check")
	r.tool(0, "Would send POST /switchover to pg1", "switchover", lab.Scope, "--candidate", "pg2", "--force", "--dry-run")

	r.tool(0, `Successfully switched over to "pg2"`, "switchover", lab.Scope, "--candidate", "pg2", "--force")
	r.streams(60*time.Second, "pg2")
	r.asPatronictl("history", lab.Scope)
	r.tool(0, "Configuration changed", "edit-config", lab.Scope, "--force", "-p", "work_mem=5MB")
	r.waitSetting("work_mem", "5MB")
	r.toolPause("pause", true)
	r.tool(1, "Cluster is already paused", "pause")
	r.toolPause("resume", nil)
	r.tool(0, "Success: restart on member pg3", "restart", lab.Scope, "pg2", "pg3", "--force")
	r.streams(60*time.Second, "pg2")
	r.tool(0, "Reinitialize is completed on: pg1", "reinit", lab.Scope, "pg1", "--force", "--wait")
	r.streams(60*time.Second, "pg2")
	r.tool(0, `Successfully failed over to "pg1"`, "failover", lab.Scope, "--candidate", "pg1", "--force")
	r.streams(60*time.Second, "pg1")
	r.tool(0, "HEALTHY", "status")
}

// toolPause pauses or resumes and waits until all nodes know; the tool itself
// waits for little more than loop_wait.
func (r *run) toolPause(order string, want any) {
	r.t.Helper()
	r.tool(0, "waiting until it is recognized by all nodes", order, "--wait")
	for _, n := range r.Nodes {
		r.Wait(15*time.Second, n.Name+" to notice: "+order, func() string {
			if doc, err := n.GetJSON("/patroni"); err != nil || doc.Get("pause") != want {
				return fmt.Sprint(doc, err)
			}
			return ""
		})
	}
}

// startsAtOnce checks that list costs no more than the start of a small
// program.
func (r *run) startsAtOnce() {
	r.t.Helper()
	path := filepath.Join(r.t.TempDir(), "pgregentctl")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/pgregent/pgregent/cmd/pgregentctl").CombinedOutput(); err != nil {
		r.t.Fatalf("%v: %s", err, out)
	}
	cost := func(program string) time.Duration {
		cmd := exec.CommandContext(r.t.Context(), program, "-c", r.Nodes[0].Config, "list")
		if out, err := cmd.CombinedOutput(); err != nil {
			r.t.Fatalf("%v: %s", err, out)
		}
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	ours, theirs := cost(path), cost("patronictl")
	r.t.Logf("list of three members: %v of CPU, patronictl %v", ours, theirs)
	if ours > 50*time.Millisecond {
		r.t.Errorf("list takes %v of CPU, want 50 ms at most", ours)
	}
}
