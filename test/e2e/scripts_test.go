package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/plugins/script"
	"github.com/pgregent/pgregent/test/lab"
)

// held is what the callback of a restart does in a story: it hangs, with a
// child, and would write down a signal that asks it to end. Other callbacks fail.
const held = `case $1 in on_restart)
	trap 'echo "callback was asked to end" >>"$dir/calls"; exit 0' TERM INT HUP
	sleep 300 &
	echo "$$ $!" >"$dir/new.held" && mv "$dir/new.held" "$dir/held.$$"
	wait ;;
esac
exit 3
`

// story runs one cluster with recording scripts through a bootstrap, the copy
// of a replica after four methods that fail in different ways, a switchover, two
// restarts, of which the second finds the callback of the first still running,
// and a stop, and returns what the scripts of each node wrote, in words that do
// not depend on ports and paths.
func story(t *testing.T, program string) map[string][]string {
	dirs := map[string]string{}
	l := lab.New(t, lab.Options{Nodes: 2, Program: program, Lazy: true, Node: func(name string) string {
		dirs[name] = scripts(t, map[string]string{
			"callback": held, "post_bootstrap": "", "pre_promote": "", "before_stop": "exit 1\n",
			"one": "exit 1\n", "most": "exit 255\n", "shot": "kill -9 $$\n",
			"copy": `for a in "$@"; do case $a in --datadir=*) D=${a#*=};; --connstring=*) C=${a#*=};; esac; done
exec ` + lab.BinDir() + `/pg_basebackup -D "$D" -X stream -c fast -d "$C"
`,
		})
		return callbacks(dirs[name]+"/callback") + fmt.Sprintf(`  create_replica_methods: [one, most, shot, gone, copy]
  one: {command: %[1]s/one}
  most: {command: %[1]s/most}
  shot: {command: %[1]s/shot}
  gone: {command: %[1]s/no-such-script}
  copy: {command: %[1]s/copy, no_leader: 1}
  pre_promote: %[1]s/pre_promote
  before_stop: %[1]s/before_stop
`, dirs[name])
	}})
	for _, n := range l.Nodes {
		text, err := os.ReadFile(n.Config)
		if err != nil {
			t.Fatal(err)
		}
		withHook := strings.Replace(string(text), "  initdb:\n", "  post_bootstrap: "+dirs[n.Name]+"/post_bootstrap\n  initdb:\n", 1)
		if err := os.WriteFile(n.Config, []byte(withHook), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	first, second := l.Nodes[0], l.Nodes[1]
	seen := func(n *lab.Node, call string) {
		t.Helper()
		l.Wait(60*time.Second, n.Name+": "+call, func() string {
			if list := calls(t, dirs[n.Name]); !slices.Contains(list, call) {
				return fmt.Sprint(list)
			}
			return ""
		})
	}
	word := "primary"
	if program != "" {
		word = "master" // of version 3
	}
	first.Start()
	seen(first, "callback [on_start] ["+word+"] [lab]")
	second.Start()
	seen(second, "callback [on_start] [replica] [lab]")
	l.WaitHealthy(60 * time.Second)
	post(t, first, "/switchover", `{"leader": "pg1", "candidate": "pg2"}`, 200)
	seen(second, "callback [on_role_change] ["+word+"] [lab]")
	seen(first, "callback [on_role_change] [replica] [lab]")
	l.WaitHealthy(60 * time.Second)
	var running [][]int
	for n := range 2 {
		if code, text, err := second.Call(http.MethodPost, "/restart", "{}"); err != nil || code != 200 {
			t.Fatalf("restart: %d %s %v", code, text, err)
		}
		l.Wait(60*time.Second, "the callback of a restart", func() string {
			if running = holding(t, dirs[second.Name]); len(running) <= n {
				return fmt.Sprint(running)
			}
			return ""
		})
	}
	first.Stop(30 * time.Second)
	seen(first, "callback [on_stop] [replica] [lab]")
	out := told(t, l, dirs)
	out["callbacks of the restarts"] = []string{fmt.Sprint(len(running), " scripts")}
	for _, pids := range running {
		alive := 0
		for _, pid := range pids {
			if script.Alive(pid, 0) {
				alive++
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		out["callbacks of the restarts"] = append(out["callbacks of the restarts"], fmt.Sprintf("%d of %d processes are there", alive, len(pids)))
	}
	slices.Sort(out["callbacks of the restarts"])
	return out
}

// holding are the processes of the callbacks that hang, or did: script and child.
func holding(t *testing.T, dir string) [][]int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "held.*"))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var pids []int
		for word := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
		out = append(out, pids)
	}
	return out
}

// told are the calls of each node. Reloads are left out: when a server reads
// its files again is each agent's own business. So is what is newer than
// version 3 of Patroni, which is compared with: the word primary, the statement
// timeout, the umask of 0077 and before_stop. This agent says 127.0.0.1 where a server
// listens on that address, since localhost may be ::1, too.
func told(t *testing.T, l *lab.Lab, dirs map[string]string) map[string][]string {
	out := map[string][]string{}
	for _, n := range l.Nodes {
		from := []string{n.DataDir, "DATA", filepath.Dir(n.DataDir), "DIR"}
		for _, m := range l.Nodes {
			from = append(from, fmt.Sprint("port=", m.SQLPort), "port="+m.Name)
		}
		r := strings.NewReplacer(append(from, "[master]", "[primary]", "host=localhost", "host=127.0.0.1", " -c statement_timeout=0", "")...)
		for _, c := range calls(t, dirs[n.Name]) {
			if !strings.Contains(c, "[on_reload]") && c != "before_stop" {
				out[n.Name] = append(out[n.Name], r.Replace(c))
			}
		}
		for _, name := range []string{"callback", "copy", "shot", "post_bootstrap", "pre_promote"} {
			if text, err := os.ReadFile(filepath.Join(dirs[n.Name], "env."+name)); err == nil {
				out[n.Name+" env "+name] = variables(r.Replace(string(text)))
			}
		}
	}
	return out
}

// variables are the lines of an environment without what the shell sets.
func variables(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		name, _, _ := strings.Cut(line, "=")
		if !slices.Contains([]string{"_", "PWD", "OLDPWD", "SHLVL", "HOME"}, name) {
			out = append(out, line)
		}
	}
	return out
}

// The same scripts see the same with Patroni and with this agent.
func TestScriptsAreCalledAsByPatroni(t *testing.T) {
	ours := story(t, "")
	for name, list := range ours {
		t.Logf("%s:\n  %s", name, strings.Join(list, "\n  "))
	}
	path, err := exec.LookPath("patroni")
	if err != nil {
		t.Skip("patroni is not installed; make test installs it where the distribution has it")
	}
	theirs := story(t, path)
	for name, want := range theirs {
		if got := ours[name]; !slices.Equal(got, want) {
			t.Errorf("%s: got\n  %s\nwant, as by Patroni\n  %s", name, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
	if len(ours) != len(theirs) {
		t.Errorf("got %d records, want %d", len(ours), len(theirs))
	}
}
