package packages

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// units are the three members of the machine's cluster, three instances of the
// template unit on one host.
var units = []string{"n1", "n2", "n3"}

const memberConfig = `scope: installed
name: %[1]s
restapi:
  listen: 127.0.0.1:800%[2]d
zookeeper:
  hosts: ['127.0.0.1:2181']
bootstrap:
  dcs:
    ttl: 30
    postgresql:
      use_pg_rewind: true
  initdb:
  - encoding: UTF8
  - data-checksums
postgresql:
  listen: 127.0.0.1:543%[2]d
  data_dir: /var/lib/postgresql/%[1]s
  bin_dir: /usr/lib/postgresql/15/bin
  pgpass: /var/lib/postgresql/.pgpass-%[1]s
  authentication:
    superuser: {username: postgres, password: s}
    replication: {username: replicator, password: r}
    rewind: {username: rewinder, password: w}
  parameters:
    unix_socket_directories: /run/postgresql
  pg_hba:
  - local all all trust
  - host all all 127.0.0.1/32 scram-sha-256
  - host replication all 127.0.0.1/32 scram-sha-256
`

// installedCluster installs a package and starts a cluster of three from it,
// with ZooKeeper, all under systemd.
func installedCluster(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	m.put(one(t, build(t, "v0.1.0", "first", "ARCHES=amd64 arm64"), "*_amd64.deb"), "/root/first.deb")
	m.put(one(t, build(t, "v0.2.0", "next", "FORMATS=deb"), "*_amd64.deb"), "/root/next.deb")
	m.sh("dpkg -i /root/first.deb")
	if out := m.sh("systemctl list-units --all --plain --no-legend 'pgregent*'"); strings.Contains(out, "running") {
		t.Errorf("the installation started something: %s", out)
	}
	m.write("/root/zoo.cfg", "tickTime=2000\ndataDir=/root/zk\nclientPort=2181\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n")
	m.sh(`systemd-run --quiet --unit=zk java -Xmx256m -cp /usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar \
		org.apache.zookeeper.server.quorum.QuorumPeerMain /root/zoo.cfg`)
	for i, name := range units {
		m.write("/etc/pgregent/"+name+".yml", fmt.Sprintf(memberConfig, name, i+1))
		m.sh("systemctl start pgregent@" + name)
	}
	m.healthy("0.1.0")
	return m
}

// list is what pgregentctl says of the members: rows of name, role, state.
func (m *machine) list() (rows [][]string, said string) {
	said, _ = m.try("pgregentctl -c /etc/pgregent/n1.yml list --format tsv")
	for line := range strings.Lines(said) {
		if f := strings.Split(line, "\t"); len(f) > 4 && f[0] == "installed" {
			rows = append(rows, []string{f[1], f[3], f[4]})
		}
	}
	return rows, said
}

// leader is the name of the one that leads, "" if none or several do.
func (m *machine) leader() string {
	found := ""
	rows, _ := m.list()
	for _, r := range rows {
		if r[1] != "Leader" {
			continue
		}
		if found != "" {
			return ""
		}
		found = r[0]
	}
	return found
}

// healthy waits until all three run that version, one leads and two stream.
func (m *machine) healthy(version string) {
	m.t.Helper()
	m.wait(90*time.Second, "a healthy cluster of "+version, func() string {
		rows, said := m.list()
		if m.leader() == "" || len(rows) != len(units) || strings.Count(said, "streaming") != 2 {
			return said
		}
		for _, name := range units {
			said, err := m.try("/proc/$(systemctl show -P MainPID pgregent@" + name + ")/exe --version; systemctl is-active pgregent@" + name)
			if err != nil || !strings.Contains(said, version) || !strings.Contains(said, "active") {
				return name + ": " + said
			}
		}
		return ""
	})
}

// postmasters are the pids of the three servers.
func (m *machine) postmasters() string {
	m.t.Helper()
	return m.sh("for n in n1 n2 n3; do head -n 1 /var/lib/postgresql/$n/postmaster.pid; done")
}

// load writes a row every 10 ms over one connection, which must live through
// everything.
func (m *machine) load(leader string) {
	m.t.Helper()
	env := "PGPASSWORD=s PGHOST=127.0.0.1 PGUSER=postgres PGPORT=543" + leader[1:]
	m.sh(env + " psql -qc 'CREATE TABLE beat (at timestamptz DEFAULT clock_timestamp())'")
	m.write("/root/beat.sql", "INSERT INTO beat DEFAULT VALUES \\watch 0.01\n")
	m.sh("systemd-run --quiet --unit=beat -p StandardOutput=null -E " + strings.ReplaceAll(env, " ", " -E ") +
		" psql -q -v ON_ERROR_STOP=1 -f /root/beat.sql")
}

// beaten checks that the load goes on, and returns the rows and the longest
// time between two of them.
func (m *machine) beaten(leader string) (rows int, gap time.Duration) {
	m.t.Helper()
	if state, _ := m.try("systemctl is-active beat"); strings.TrimSpace(state) != "active" {
		m.t.Fatalf("the writer ended: %s\n%s", state, m.sh("journalctl -u beat --no-pager | tail"))
	}
	out := m.sh("PGPASSWORD=s psql -h 127.0.0.1 -U postgres -p 543" + leader[1:] +
		" -AtF ' ' -c \"SELECT count(*), (1000000 * extract(epoch FROM max(d)))::bigint FROM (SELECT at - lag(at) OVER (ORDER BY at) AS d FROM beat) x\"")
	f := strings.Fields(out)
	if len(f) != 2 {
		m.t.Fatalf("count of beats: %q", out)
	}
	rows, _ = strconv.Atoi(f[0])
	micro, _ := strconv.Atoi(f[1])
	return rows, time.Duration(micro) * time.Microsecond
}

// unchanged checks that neither a server's process nor the leader is another.
func (m *machine) unchanged(after, servers, leader string) {
	m.t.Helper()
	if now := m.postmasters(); now != servers {
		m.t.Errorf("%s: the servers were %q and are %q", after, servers, now)
	}
	if now := m.leader(); now != leader {
		m.t.Errorf("%s: the leader was %s and is %s", after, leader, now)
	}
}

// Upgrade, downgrade, reload and a crash of every agent at once, under load, on
// the units as they are shipped.
func TestUpgradeUnderLoadChangesNoServer(t *testing.T) {
	m := installedCluster(t)
	servers, leader := m.postmasters(), m.leader()
	m.load(leader)
	rounds := 2
	if text := os.Getenv("PGREGENT_PACKAGES_ROUNDS"); text != "" {
		rounds, _ = strconv.Atoi(text)
	}
	before := 0
	for i := range rounds {
		deb, version := "next", "0.2.0"
		if i%2 == 1 {
			deb, version = "first", "0.1.0"
		}
		m.sh("dpkg -i /root/" + deb + ".deb")
		m.healthy(version)
		m.unchanged(fmt.Sprintf("round %d, to %s", i+1, version), servers, leader)
		rows, gap := m.beaten(leader)
		if rows <= before {
			t.Errorf("round %d: no write since the last", i+1)
		}
		before = rows
		t.Logf("round %d, to %s: %d writes, longest gap %v", i+1, version, rows, gap)
	}
	m.sh("systemctl reload 'pgregent@*'")
	m.unchanged("reload", servers, leader)
	m.write("/etc/pgregent/n2.yml", "scope: [")
	if out, err := m.try("systemctl reload pgregent@n2"); err == nil {
		t.Errorf("a reload of a broken file succeeds: %s", out)
	}
	// A program that cannot read the configuration does not get the node.
	m.sh("systemctl kill --kill-who=main --signal=SIGUSR2 pgregent@n2")
	m.wait(30*time.Second, "the refusal to leave", func() string {
		out, _ := m.try("journalctl -u pgregent@n2 --no-pager | grep -c 'cannot take over'")
		if strings.TrimSpace(out) == "0" {
			return "not logged"
		}
		return ""
	})
	m.unchanged("a broken file", servers, leader)
	m.write("/etc/pgregent/n2.yml", fmt.Sprintf(memberConfig, "n2", 2))
	pids := m.sh("systemctl show -P MainPID 'pgregent@*'")
	m.sh("systemctl kill --kill-who=main --signal=SIGKILL 'pgregent@*'")
	m.wait(30*time.Second, "other agents", func() string {
		if now := m.sh("systemctl show -P MainPID 'pgregent@*'"); now == pids {
			return now
		}
		return ""
	})
	m.wait(60*time.Second, "a healthy cluster", func() string {
		if m.leader() != leader {
			return "leader " + m.leader()
		}
		return ""
	})
	m.unchanged("a crash of all agents", servers, leader)
	_, gap := m.beaten(leader)
	t.Logf("longest gap over everything %v", gap)
	m.removed(leader)
}

// removed removes and purges the package: data and configuration stay.
func (m *machine) removed(leader string) {
	m.t.Helper()
	m.sh("systemctl stop beat; dpkg --remove pgregent")
	for _, name := range units {
		if out, _ := m.try("cat /var/lib/postgresql/" + name + "/postmaster.pid"); !strings.Contains(out, "No such file") {
			m.t.Errorf("%s: PostgreSQL was not stopped in order: %s", name, out)
		}
		control := m.sh("/usr/lib/postgresql/15/bin/pg_controldata /var/lib/postgresql/" + name)
		if !strings.Contains(control, "shut down") {
			m.t.Errorf("%s: PostgreSQL was not shut down:\n%s", name, control)
		}
	}
	m.sh("dpkg --purge pgregent")
	for _, name := range units {
		m.sh("test -s /var/lib/postgresql/" + name + "/PG_VERSION && test -s /etc/pgregent/" + name + ".yml && getent passwd postgres")
	}
	if out, _ := m.try("ls /etc/pgregent"); strings.Contains(out, "sample") {
		m.t.Errorf("the purge left the package's own files: %s", out)
	}
}
