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

// session is a person at a terminal, played by tmux.
type session struct {
	*run
	socket string
	dir    string // where the captures go
	count  int
}

// tmux runs one command of tmux.
func (s *session) tmux(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-L", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// sees waits until the screen shows something.
func (s *session) sees(what string) string {
	s.t.Helper()
	pattern, screen := regexp.MustCompile(what), ""
	s.Wait(90*time.Second, "the screen to show "+what, func() string {
		if screen = strings.TrimRight(s.tmux("capture-pane", "-p"), "\n"); !pattern.MatchString(screen) {
			return screen
		}
		return ""
	})
	return screen
}

// types types a line.
func (s *session) types(line string) { s.tmux("send-keys", "-l", line); s.tmux("send-keys", "Enter") }

// keep writes what the screen shows to the next file.
func (s *session) keep(name, screen string) {
	s.t.Helper()
	s.count++
	path := filepath.Join(s.dir, fmt.Sprintf("%02d-%s.txt", s.count, name))
	if err := os.WriteFile(path, []byte(screen+"\n"), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// does types a command on an empty screen, answers its questions, and keeps
// what is there when the prompt is back.
func (s *session) does(name, command string, answers ...string) {
	s.t.Helper()
	s.tmux("send-keys", "C-l")
	s.sees(`^\$\s*$`)
	s.types(command)
	for _, a := range answers {
		question, answer, _ := strings.Cut(a, " => ")
		s.sees(question)
		s.types(answer)
	}
	s.keep(name, s.sees(`(?s)\n\$$`))
}

// The captures in cmd/pgregentctl/testdata/session are of a session like this.
// It is played only on demand ("make session"): it takes minutes and writes
// files that are kept.
func TestSession(t *testing.T) {
	dir := os.Getenv("PGREGENT_SESSION")
	if dir == "" {
		t.Skip("make session plays it")
	}
	l := lab.New(t, lab.Options{DCS: fast, Lazy: true})
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/pgregent/pgregent/cmd/pgregentctl").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := &session{run: &run{Lab: l, t: t}, socket: fmt.Sprintf("pgregent-%d", os.Getpid()), dir: dir}
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", "132", "-y", "40", "-e", "PATH="+bin+":"+os.Getenv("PATH"),
		"-e", "PGREGENTCTL_CONFIG_FILE="+l.Nodes[0].Config, "-e", "NO_COLOR=1", "/bin/sh")
	t.Cleanup(func() { s.tmux("kill-server") })
	s.types("PS1='$ '; clear")
	s.sees(`^\$\s*$`)

	for _, n := range l.Nodes {
		n.Start()
	}
	s.types("pgregentctl watch")
	s.keep("bootstrap-watched", s.sees(`initializing new cluster|creating replica|running`))
	s.keep("bootstrap-done", s.sees(`HEALTHY`))
	l.WaitHealthy(60 * time.Second)
	s.tmux("send-keys", "q")
	s.sees(`^\$`)
	leader, standby := l.Leader(), l.Standbys()[0]

	s.does("status", "pgregentctl status")
	s.does("switchover", "pgregentctl switchover lab", `Primary \[.*\]: $ => `, `Candidate \[.*\]: $ => `+standby.Name, `\[now\]: $ => `, `\[y/N\]: $ => y`)
	l.WaitHealthy(60 * time.Second)
	s.does("edit-config", "pgregentctl edit-config -p work_mem=8MB", `\[y/N\]: $ => y`)
	l.Node(standby.Name).MustExec("CREATE TABLE ballast AS SELECT g, repeat('x', 500) AS t FROM generate_series(1, 300000) g")

	s.tmux("send-keys", "C-l")
	s.types("pgregentctl reinit lab " + leader.Name + " --force --wait")
	s.keep("reinit-progress", s.sees(leader.Name+` copying, [0-9]+s`))
	s.keep("reinit-done", s.sees(`Reinitialize is completed`))
	l.WaitHealthy(90 * time.Second)

	s.does("pause", "pgregentctl pause --wait")
	s.does("list-paused", "pgregentctl list")
	s.does("resume", "pgregentctl resume --wait")

	s.tmux("send-keys", "C-l")
	s.types("pgregentctl watch")
	s.sees("HEALTHY")
	l.Node(standby.Name).KillAll()
	s.keep("failover-watched", s.sees(`leads in the place of|nobody does`))
	l.Node(standby.Name).Start()
	s.keep("failover-healed", s.sees(`(?s)HEALTHY.*leads`))
	l.WaitHealthy(90 * time.Second)
	s.tmux("send-keys", "q")
	s.does("history", "pgregentctl history")
	s.does("status-after", "pgregentctl status")
}
