package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The two units must not drift apart.
func TestTemplateUnitIsTheUnitWithAName(t *testing.T) {
	unit, template := read(t, "packaging/systemd/pgregent.service"), read(t, "packaging/systemd/pgregent@.service")
	want := strings.NewReplacer(
		"/etc/pgregent/pgregent.", "/etc/pgregent/%i.",
		"agent of a PostgreSQL server", "agent of the PostgreSQL server %i",
		"Conflicts=patroni.service", "Conflicts=patroni.service patroni@%i.service",
	).Replace(unit)
	if template != want {
		t.Error("pgregent@.service is not pgregent.service with %i in the place of the name")
	}
}

// What makes PostgreSQL survive its agent; each line has cost somebody a
// failover.
func TestUnitKeepsPostgreSQLAlive(t *testing.T) {
	unit := read(t, "packaging/systemd/pgregent.service")
	for line, why := range map[string]string{
		"KillMode=process":           "a stop or crash of the agent would signal PostgreSQL and the fence",
		"Restart=on-failure":         "nobody would take over after a crash",
		"RestartForceExitStatus=75":  "nobody would take over after an upgrade",
		"StartLimitIntervalSec=0":    "after some crashes systemd would give up",
		"OOMPolicy=continue":         "one killed backend would stop the unit",
		"SendSIGKILL=no":             "",
		"PrivateTmp=yes":             "",
		"MemoryDenyWriteExecute=yes": "",
		"PrivateUsers=yes":           "",
	} {
		has := regexp.MustCompile("(?m)^" + regexp.QuoteMeta(line) + "$").MatchString(unit)
		if want := why != ""; has != want {
			t.Errorf("%s: there %v, want %v %s", line, has, want, why)
		}
	}
	wait := regexp.MustCompile(`(?m)^RestartSec=(\d+)ms$`).FindStringSubmatch(unit)
	if wait == nil {
		t.Error("RestartSec must be well below fence.takeover_wait: milliseconds expected")
	}
}

func TestUnitsAreValid(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	dir := t.TempDir()
	for _, name := range []string{"pgregent.service", "pgregent@.service"} {
		text := strings.ReplaceAll(read(t, "packaging/systemd/"+name), "=/usr/bin/pgregent", "=/bin/true")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := run(t, nil, "systemd-analyze", "verify", filepath.Join(dir, "pgregent.service"), filepath.Join(dir, "pgregent@.service"))
	if strings.Contains(out, dir) || strings.Contains(out, "pgregent") {
		t.Errorf("findings:\n%s", out)
	}
}

func TestScriptsTouchNoPostgreSQL(t *testing.T) {
	scripts, _ := filepath.Glob(filepath.Join(repository, "packaging/scripts/*.sh"))
	if len(scripts) != 4 {
		t.Fatalf("found %v, want four scripts", scripts)
	}
	command := regexp.MustCompile(`pg_ctl|postmaster|systemctl\s+(\S+\s+)*(re|try-re|force-re)\S*|killall|pkill|\brm\b|userdel|deluser`)
	for _, path := range scripts {
		run(t, nil, "sh", "-n", path)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			code, _, _ := strings.Cut(line, "#")
			if found := command.FindString(code); found != "" {
				t.Errorf("%s:%d: %q", filepath.Base(path), i+1, found)
			}
		}
	}
}
