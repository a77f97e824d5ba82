package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// A veto of pre_promote gives another member the chance, and before_stop runs
// before each stop.
func TestPrePromoteVetoes(t *testing.T) {
	dirs := map[string]string{}
	l := lab.New(t, lab.Options{DCS: fast, Node: func(name string) string {
		dirs[name] = scripts(t, map[string]string{
			"pre_promote": `[ ! -e "$(dirname "$0")/veto" ] || { echo 'not on this rack' >&2; exit 1; }` + "\n", "before_stop": "exit 1\n",
		})
		return fmt.Sprintf("  pre_promote: %[1]s/pre_promote\n  before_stop: %[1]s/before_stop\n", dirs[name])
	}})
	leader, standbys := l.Leader(), l.Standbys()
	if err := os.WriteFile(filepath.Join(dirs[standbys[0].Name], "veto"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	code, text, err := leader.Call("POST", "/switchover", fmt.Sprintf(`{"leader": %q, "candidate": %q}`, leader.Name, standbys[0].Name))
	t.Logf("switchover to the one that refuses: %d %s %v", code, text, err)
	l.Wait(60*time.Second, "another leader than the one that refuses", func() string {
		if now := l.Leader(); now == nil || now == standbys[0] || !strings.Contains(standbys[0].Log(), "not on this rack") {
			return "not yet"
		}
		return l.Unhealthy()
	})
	if !slices.Contains(calls(t, dirs[leader.Name]), "before_stop") {
		t.Errorf("before_stop was not run: %v", calls(t, dirs[leader.Name]))
	}
}

// What a killed agent has left running of a build is ended by the next one,
// which begins it anew.
func TestLeftoverOfAKilledAgentIsEnded(t *testing.T) {
	dir := scripts(t, map[string]string{
		"copy": `if [ ! -e "$(dirname "$0")/go" ]; then (trap '' TERM HUP; echo $$ >"$(dirname "$0")/pid"; exec sleep 600); fi
for a in "$@"; do case $a in --datadir=*) D=${a#*=};; --connstring=*) C=${a#*=};; esac; done
exec ` + lab.BinDir() + `/pg_basebackup -D "$D" -X stream -c fast -d "$C"
`,
	})
	l := lab.New(t, lab.Options{Nodes: 2, Lazy: true, Node: func(string) string {
		return fmt.Sprintf("  create_replica_methods: [copy]\n  copy: {command: %s/copy}\n", dir)
	}})
	first, second := l.Nodes[0], l.Nodes[1]
	first.Start()
	l.WaitHealthy(60 * time.Second)
	postmaster := first.Postmaster()
	second.Start()
	sleeper := 0
	l.Wait(30*time.Second, "the child of the script", func() string {
		if sleeper = sleepers(dir); sleeper == 0 {
			return "not yet"
		}
		return ""
	})
	second.KillAgent()
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	second.Start()
	l.WaitHealthy(60 * time.Second)
	if pid := sleepers(dir); pid == sleeper {
		t.Error("the child of the former agent's script is still there")
	}
	if first.Postmaster() != postmaster {
		t.Error("the leader's PostgreSQL is another one")
	}
}

// sleepers is the process that a script has left, by its command line and
// environment: a zombie that init has not buried yet has neither.
func sleepers(dir string) int {
	entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0
	}
	if _, err := os.Stat(filepath.Join(dir, "pid")); err != nil {
		return 0
	}
	for _, e := range entries {
		text, _ := os.ReadFile(e)
		env, _ := os.ReadFile(filepath.Join(filepath.Dir(e), "environ"))
		if string(text) == "sleep\x00600\x00" && strings.Contains(string(env), "PGPASSFILE=") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(e)))
			return pid
		}
	}
	return 0
}
