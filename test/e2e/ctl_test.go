package e2e

import (
	"bytes"
	"os"
	"os/exec"
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
		Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}, Version: "test",
	})
	if got != code || !strings.Contains(out.String(), want) {
		r.t.Fatalf("pgregentctl %s: exit %d, want %d with %q in\n%s", strings.Join(args, " "), got, code, want, &out)
	}
	return out.String()
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
			Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"},
		})
		cmd := exec.CommandContext(r.t.Context(), "patronictl", append([]string{"-c", r.Nodes[0].Config}, args...)...)
		cmd.Stdout = &b
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

func TestOperatorsTool(t *testing.T) {
	if _, err := exec.LookPath("patronictl"); err != nil {
		lab.Patroni(t) // skips, or fails in continuous integration
	}
	l := lab.New(t, lab.Options{DCS: fast})
	r := &run{Lab: l, t: t, leader: l.Leader()}
	leader, standby := r.leader, r.Standbys()[0]

	for _, args := range [][]string{
		{"list", lab.Scope}, {"list", lab.Scope, "-f", "json"}, {"topology", lab.Scope}, {"show-config"}, {"dsn", "-m", standby.Name},
		{"query", "-U", "postgres", "-c", "select 1 as a, null as b, true as c, 1.5::float8 as d, 2.50 as e, 'x y' as f"},
	} {
		if args[0] == "query" {
			t.Setenv("PGPASSWORD", "s3cret: 'x'")
		}
		r.asPatronictl(args...)
	}

	r.tool(0, "in_recovery\nTrue\n", "query", lab.Scope, "-U", "postgres", "-r", "replica", "-c", "SELECT pg_is_in_recovery() AS in_recovery")
	r.tool(0, "ERROR, SQLSTATE: 42601", "query", lab.Scope, "-U", "postgres", "-c", "SELEC")
	r.tool(0, "HEALTHY", "status")
	r.tool(0, standby.Name, "whatif", leader.Name)
	r.tool(1, "fsync is off", "doctor") // the lab's servers are for tests
	r.tool(0, "is ready to move", "migrate", "check")
	r.tool(0, "Would send POST /switchover to "+leader.Name, "switchover", lab.Scope, "--candidate", standby.Name, "--force", "--dry-run")

	r.tool(0, `Successfully switched over to "`+standby.Name+`"`, "switchover", lab.Scope, "--candidate", standby.Name, "--force")
	r.WaitHealthy(30 * time.Second)
	r.asPatronictl("history", lab.Scope)
	r.tool(0, "Configuration changed", "edit-config", lab.Scope, "--force", "-p", "work_mem=5MB")
	r.waitSetting("work_mem", "5MB")
	r.tool(0, "Success: cluster management is paused", "pause", "--wait")
	r.tool(1, "Cluster is already paused", "pause")
	r.tool(0, "Success: cluster management is resumed", "resume", "--wait")
	r.tool(0, "Success: restart on member "+leader.Name, "restart", lab.Scope, leader.Name, "--force")
	r.WaitHealthy(30 * time.Second)
	r.tool(0, "Reinitialize is completed on: "+leader.Name, "reinit", lab.Scope, leader.Name, "--force", "--wait")
	r.WaitHealthy(30 * time.Second)
	r.tool(0, `Successfully failed over to "`+leader.Name+`"`, "failover", lab.Scope, "--candidate", leader.Name, "--force")
	r.WaitHealthy(30 * time.Second)
	r.tool(0, "HEALTHY", "status")
}
