package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// story runs one cluster with recording scripts through a bootstrap, the copy
// of a replica, a switchover, a restart and a stop, and returns what the
// scripts of each node wrote, in words that do not depend on ports and paths.
func story(t *testing.T, program string) map[string][]string {
	dirs := map[string]string{}
	l := lab.New(t, lab.Options{Nodes: 2, Program: program, Lazy: true, Node: func(name string) string {
		dirs[name] = scripts(t, map[string]string{
			"callback": "", "post_bootstrap": "", "pre_promote": "",
			"copy": `for a in "$@"; do case $a in --datadir=*) D=${a#*=};; --connstring=*) C=${a#*=};; esac; done
exec ` + lab.BinDir() + `/pg_basebackup -D "$D" -X stream -c fast -d "$C"
`,
		})
		return callbacks(dirs[name]+"/callback") + fmt.Sprintf(`  create_replica_methods: [copy]
  copy: {command: %[1]s/copy, no_leader: 1}
  pre_promote: %[1]s/pre_promote
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
	if code, text, err := second.Call(http.MethodPost, "/restart", "{}"); err != nil || code != 200 {
		t.Fatalf("restart: %d %s %v", code, text, err)
	}
	seen(second, "callback [on_restart] ["+word+"] [lab]")
	first.Stop(30 * time.Second)
	seen(first, "callback [on_stop] [replica] [lab]")
	return told(t, l, dirs)
}

// told are the calls of each node. Reloads are left out: when a server reads
// its files again is each agent's own business. So is what is newer than
// version 3 of Patroni, which is compared with: the word primary, the statement
// timeout and the umask of 0077. This agent says 127.0.0.1 where a server
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
			if !strings.Contains(c, "[on_reload]") {
				out[n.Name] = append(out[n.Name], r.Replace(c))
			}
		}
		for _, name := range []string{"callback", "copy", "post_bootstrap", "pre_promote"} {
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
