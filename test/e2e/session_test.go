package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// screen is a terminal in tmux, with a shell in it.
type screen struct {
	*run
	socket, captures string
	count            int
}

// tmux runs one command of tmux on the server of this test.
func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "tmux", append([]string{"-S", s.socket, "-f", "/dev/null"}, args...)...)
	cmd.Env = append(os.Environ(), "TERM=xterm", "LC_ALL=C.UTF-8", "HOME="+filepath.Dir(s.socket))
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %v: %v %s", args, err, out)
	}
	return string(out)
}

func (s *screen) text() string {
	s.t.Helper()
	return strings.TrimRight(s.tmux("capture-pane", "-p", "-J", "-t", "0"), "\n ") + "\n"
}

// types types a line and presses Enter.
func (s *screen) types(line string) {
	s.t.Helper()
	if line != "" {
		s.tmux("send-keys", "-t", "0", "-l", line)
	}
	s.tmux("send-keys", "-t", "0", "Enter")
}

// shows waits until all those words are on the screen.
func (s *screen) shows(limit time.Duration, words ...string) {
	s.t.Helper()
	s.Wait(limit, "on the screen: "+strings.Join(words, ", "), func() string {
		text := s.text()
		for _, w := range words {
			if !strings.Contains(text, w) {
				return "no " + w + " in\n" + text
			}
		}
		return ""
	})
}

// changing is what differs from one session to the next: times, identifiers,
// ports.
var changing = []*regexp.Regexp{
	regexp.MustCompile(`20\d\d-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?|\d\d:\d\d:\d\d`),
	regexp.MustCompile(`\b[0-9a-f]{12}\b|\b[0-9a-f]{32}\b`),
	regexp.MustCompile(`127\.0\.0\.1:\d+`), regexp.MustCompile(`\(7\d{18}\)`),
}

var digit = regexp.MustCompile(`[0-9a-f]`)

// keep keeps the screen under a name.
func (s *screen) keep(name string) {
	s.t.Helper()
	text := s.text()
	for _, c := range changing { // as wide as it was
		text = c.ReplaceAllStringFunc(text, func(s string) string { return digit.ReplaceAllString(s, "0") })
	}
	s.count++
	if err := os.WriteFile(filepath.Join(s.captures, fmt.Sprintf("%02d-%s.txt", s.count, name)), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if strings.HasSuffix(strings.TrimSpace(text), "$") {
		s.types("clear")
	}
}

// TestScriptedSession is an operator at a terminal, from the first look to a
// failover and its timeline. The screens are kept.
func TestScriptedSession(t *testing.T) {
	captures := os.Getenv("PGREGENT_SESSION")
	if captures == "" {
		t.Skip("make session runs this: it keeps the screens")
	}
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed")
	}
	program := filepath.Join(t.TempDir(), "pgregentctl")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/pgregent/pgregent/cmd/pgregentctl").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r := under(t, traceDCS)
	s := &screen{run: r, socket: filepath.Join(t.TempDir(), "tmux"), captures: captures}
	s.tmux("new-session", "-d", "-x", "120", "-y", "40", "env", "PS1=$ ", "NO_COLOR=1", "sh")
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", s.socket, "kill-server").Run() }) // the context of the test is over
	s.types("alias ctl='" + program + " -c " + r.Nodes[0].Config + "'; clear")

	s.types("clear; until ctl status | grep -q HEALTHY; do sleep 1; done; ctl status")
	s.shows(60*time.Second, ": HEALTHY", "would lead")
	s.keep("status-after-bootstrap")
	leader, next := r.Leader(), r.Standbys()[0]
	s.types("ctl switchover")
	s.shows(20*time.Second, "Primary ["+leader.Name+"]:")
	s.types("")
	s.shows(20*time.Second, "Candidate [")
	s.types(next.Name)
	s.shows(20*time.Second, "When should the switchover take place")
	s.types("")
	s.shows(20*time.Second, "Are you sure you want to switchover")
	s.types("y")
	s.shows(60*time.Second, "Successfully switched over to", "Trace: ")
	s.keep("switchover")
	r.streams(60*time.Second, next.Name)
	s.types("ctl edit-config -p work_mem=5MB")
	s.shows(20*time.Second, "+    work_mem: 5MB", "Apply these changes? [y/N]:")
	s.types("y")
	s.shows(20*time.Second, "Configuration changed")
	s.keep("edit-config")
	s.types("ctl explain postgresql.parameters.work_mem")
	s.shows(20*time.Second, "= 5MB", "dynamic configuration")
	s.keep("explain")
	r.Leader().MustExec("CREATE TABLE much AS SELECT repeat(md5(i::text), 20) FROM generate_series(1, 150000) i") // a copy that can be watched
	s.types("ctl reinit " + lab.Scope + " " + leader.Name + " --force --wait")
	s.shows(30*time.Second, leader.Name+" copying", "% of ")
	s.keep("reinit-progress")
	s.shows(90*time.Second, "Reinitialize is completed on: "+leader.Name)
	s.keep("reinit")
	r.streams(60*time.Second, next.Name)
	s.types("ctl pause --wait; ctl list; ctl resume --wait")
	s.shows(60*time.Second, "cluster management is paused", "Maintenance mode: on", "cluster management is resumed")
	s.keep("pause-resume")
	s.types("ctl watch")
	s.shows(20*time.Second, "(q: quit)", next.Name)
	next.KillAll()
	s.shows(60*time.Second, "leader")
	r.otherLeads(next)
	after := r.Leader()
	s.shows(30*time.Second, after.Name)
	s.keep("watch-during-failover")
	s.tmux("send-keys", "-t", "0", "q")
	next.Start()
	r.WaitHealthy(90 * time.Second)
	s.types("ctl failovers")
	s.shows(20*time.Second, "| failover ", "| switchover ")
	s.keep("failovers")
	s.types("ctl failovers last")
	s.shows(20*time.Second, "Failover of cluster "+lab.Scope, "promote", "|=")
	s.keep("failover-timeline")
}
