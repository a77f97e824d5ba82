package e2e

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// Names and passwords with what needs quoting somewhere: in YAML, JSON,
// SQL, connection strings, password files, command lines, paths, URLs.
const (
	oddPassword = `p'w"d\ %s:@/?#ü$(x)*`
	oddPrefix   = `n it's ü%d-`
	oddScope    = `s'c %s ü`
)

const oddCredentials = `  authentication:
    superuser: {username: postgres, password: "s3cret: 'x'"}
    replication: {username: 're "pl'' \%ü', password: 'p''w"d\ %s:@/?#ü$(x)*'}
    rewind: {username: 'rewind ''er', password: 'p''w"d\ %s:@/?#ü$(x)*'}
`

// TestSpecialCharacters takes a cluster with odd names, paths and passwords
// through bootstrap, copy, switchover, crash and rewind, and looks for the
// passwords everywhere.
func TestSpecialCharacters(t *testing.T) {
	l := lab.New(t, lab.Options{
		Scope: oddScope, Prefix: oddPrefix, DCS: fast + "  parameters: {archive_command: \"echo 'a b' \\\\%% \\\"%p\\\"\", log_statement: all}\n",
		Node: func(string) string { return oddCredentials },
	})
	seen := watchProcesses(t)
	l.CreateTable()
	w := l.NewWriter(1)
	w.AwaitMore(20, 60*time.Second)
	old := l.Leader()
	if code, text, err := old.Call(http.MethodPost, "/switchover", `{"leader": "`+old.Name+`"}`); err != nil || code != 200 {
		t.Fatalf("switchover: %d %s %v", code, text, err)
	}
	l.WaitHealthy(60 * time.Second)
	w.AwaitMore(20, 60*time.Second)
	crashed := l.Leader()
	crashed.KillAll()
	l.Wait(60*time.Second, "another leader", func() string {
		if now := l.Leader(); now == nil || now == crashed {
			return "none yet"
		}
		return ""
	})
	w.AwaitMore(20, 60*time.Second)
	copies := count(crashed.Log(), "job=clone")
	crashed.Start()
	l.WaitHealthy(90 * time.Second)
	if log := crashed.Log(); !strings.Contains(log, `msg="job done" job=rewind`) || count(log, "job=clone") != copies {
		t.Errorf("%s was not rewound", crashed.Name)
	}
	for _, n := range l.Nodes {
		if reason := pendingOf(n); reason.Len() > 0 {
			t.Errorf("%s waits for a restart: %v", n.Name, reason)
		}
	}
	grepSecrets(t, l, seen())
}

// watchProcesses collects the command lines of all processes until the
// returned function is called.
func watchProcesses(t *testing.T) (stop func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan string, 1)
	go func() {
		seen := map[string]bool{}
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, f := range files {
				if text, err := os.ReadFile(f); err == nil {
					seen[string(text)] = true
				}
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
		var all strings.Builder
		for line := range seen {
			all.WriteString(strings.ReplaceAll(line, "\x00", " ") + "\n")
		}
		result <- all.String()
	}()
	return func() string {
		cancel()
		return <-result
	}
}

// grepSecrets looks for passwords in logs, command lines, REST and the store.
func grepSecrets(t *testing.T, l *lab.Lab, commandLines string) {
	t.Helper()
	places := map[string]string{"the command lines": commandLines}
	if !strings.Contains(commandLines, "pg_basebackup") && !strings.Contains(commandLines, "postgres") {
		t.Error("no process was seen")
	}
	for _, n := range l.Nodes {
		places["the log of "+n.Name] = n.Log()
		for _, path := range []string{"/patroni", "/cluster", "/config", "/history", "/metrics"} {
			if _, text, err := n.Call(http.MethodGet, path, ""); err == nil {
				places[path+" of "+n.Name] = text
			}
		}
		places["the member key of "+n.Name] = l.ReadKey("members/" + n.Name)
		if text, err := os.ReadFile(filepath.Join(n.DataDir, "postgresql.conf")); err == nil {
			places["postgresql.conf of "+n.Name] = string(text)
		}
	}
	for _, key := range []string{"config", "status", "leader", "history"} {
		places["the key "+key] = l.ReadKey(key)
	}
	for place, text := range places {
		for _, secret := range []string{oddPassword, strings.ReplaceAll(oddPassword, "'", "''"), "p'w", "p''w", "s3cret"} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s shows a password: ...%s...", place, text[max(0, i-80):min(len(text), i+40)])
			}
		}
	}
}
