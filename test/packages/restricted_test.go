package packages

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Bootstrap and copies are part of every installed cluster; here the unit's
// restrictions meet the fence, which kills PostgreSQL when no agent comes back,
// and a rewind of what nobody else had.
func TestFenceAndRewindUnderTheUnit(t *testing.T) {
	m := installedCluster(t)
	old := m.leader()
	data := "/var/lib/postgresql/" + old
	postmaster := strings.TrimSpace(m.sh("head -n 1 " + data + "/postmaster.pid"))
	psql := "PGPASSWORD=s psql -h 127.0.0.1 -U postgres -p 543" + old[1:] + " -qc "
	m.sh(psql + "'CREATE TABLE mark (n int)'")

	m.sh("mkdir -p /run/systemd/system/pgregent@" + old + ".service.d")
	m.write("/run/systemd/system/pgregent@"+old+".service.d/once.conf", "[Service]\nRestart=no\nRestartForceExitStatus=\n")
	m.sh("systemctl daemon-reload")
	// What the leader writes now stays its own.
	m.sh("pkill -STOP -f '[w]alsender'")
	m.sh(psql + "'INSERT INTO mark SELECT generate_series(1, 100)'")
	m.sh("systemctl kill --kill-who=main --signal=SIGKILL pgregent@" + old)
	m.wait(30*time.Second, "the fence to end PostgreSQL", func() string {
		out, err := m.try("test -e /proc/" + postmaster + " && echo alive || echo gone")
		if err != nil || strings.TrimSpace(out) != "gone" {
			return out
		}
		return ""
	})
	m.wait(60*time.Second, "another leader", func() string {
		if now := m.leader(); now == "" || now == old {
			return fmt.Sprintf("leader %q", now)
		}
		return ""
	})
	m.sh("rm /run/systemd/system/pgregent@" + old + ".service.d/once.conf; systemctl daemon-reload; systemctl start pgregent@" + old)
	m.healthy("0.1.0")
	if journal := m.sh("journalctl -u pgregent@" + old + " --no-pager"); !strings.Contains(journal, "job=rewind") {
		t.Errorf("%s was not rewound:\n%s", old, journal)
	}
	count := strings.TrimSpace(m.sh(strings.TrimSuffix(psql, "-qc ") + "-Atc 'SELECT count(*) FROM mark'"))
	if count != "0" {
		t.Errorf("%s has %s rows that only the former leader had, after its rewind", old, count)
	}
}
