package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// configCase is a configuration that both agents start one server with.
type configCase struct {
	name string
	dcs  string // under bootstrap.dcs
	pg   string // under postgresql, indented by two blanks
	// differs has the rows that may differ, by their first words, and why.
	differs map[string]string
}

// configCases cover the keys that reach PostgreSQL. CUSTOM is a directory
// with the files custom.conf, hba.conf and ident.conf.
var configCases = []configCase{
	{name: "all kinds of parameters", dcs: `postgresql:
  parameters:
    max_connections: 70
    max_worker_processes: 12
    max_wal_senders: 7
    max_replication_slots: 9
    max_prepared_transactions: 5
    max_locks_per_transaction: 96
    track_commit_timestamp: on
    wal_log_hints: off
    wal_level: logical
    wal_keep_segments: 20
    Shared_Buffers: 24MB
    DateStyle: 'SQL, DMY'
    log_line_prefix: "it's %m \\ \"q\" "
    archive_mode: on
    archive_command: "test ! -f '/tmp/a b/%f' && true"
    checkpoint_completion_target: 0.75
    log_connections: yes
    my.setting: é x`, differs: map[string]string{"set wal_log_hints": "3.0.2 forces it on, 4.0 and pgregent do as configured"}},
	{name: "defaults", dcs: "ttl: 30"},
	{name: "local over dynamic", dcs: `postgresql:
  parameters: {work_mem: 8MB, maintenance_work_mem: 32MB, max_connections: 60}`, pg: `  create_replica_methods: [basebackup]
  use_unix_socket: true
  use_unix_socket_repl: true
  pg_ctl_timeout: 30
  recovery_conf: {restore_command: 'false'}
`},
	{name: "values that are refused", dcs: `postgresql:
  parameters:
    max_connections: 10
    wal_level: minimal
    max_wal_senders: lots
    hot_standby: off
    wal_keep_size: 1MB
    work_mem: 1
    shared_bufers: 1GB
    wal_compression: squeeze
    fsync: maybe
    random_page_cost: -3
    cluster_name: other
    port: 1`, differs: map[string]string{
		"set random_page_cost 0": "3.0.2 leaves a value out of range away, 4.1 and pgregent take the limit",
		"set work_mem 64":        "3.0.2 leaves a value out of range away, 4.1 and pgregent take the limit",
	}},
	{name: "recovery settings among the parameters", dcs: `postgresql:
  parameters: {restore_command: 'cp /nowhere/%f %p', recovery_target_timeline: '1', archive_cleanup_command: 'true', recovery_min_apply_delay: 1500}
  recovery_conf: {recovery_end_command: 'true'}`},
	{name: "pg_hba and pg_ident of the dynamic configuration", dcs: `postgresql:
  pg_ident: ['m a b', 'm /^(.*)@x\$ \1']
  parameters: {log_timezone: Europe/Berlin, TimeZone: Asia/Tokyo, search_path: '"$user", public, "a b"'}`},
	{name: "a custom file", dcs: `postgresql:
  parameters: {work_mem: 9MB}`, pg: "  custom_conf: CUSTOM/custom.conf\n"},
	{name: "files elsewhere", dcs: `postgresql:
  parameters: {hba_file: CUSTOM/hba.conf, ident_file: CUSTOM/ident.conf}`},
	{name: "a configuration directory", dcs: `postgresql:
  parameters: {jit: off, huge_pages: try, synchronous_commit: local}`, pg: "  config_dir: CUSTOM/conf\n"},
	{name: "synchronous standbys of the user's", dcs: `postgresql:
  parameters: {synchronous_standby_names: 'ANY 1 ("a b", c)', synchronous_commit: off}`},
	{name: "permanent slots", dcs: `slots:
  phys: {type: physical}
  logi: {type: logical, database: postgres, plugin: test_decoding}
postgresql:
  use_slots: true
  parameters: {wal_level: logical, hot_standby_feedback: off}`, differs: map[string]string{
		"set hot_standby_feedback": "permanent logical slots need it; pgregent has it in the primary's file too, for the day on which that is a standby",
	}},
	{name: "limits", dcs: `postgresql:
  parameters: {max_connections: 25, max_wal_senders: 3, max_locks_per_transaction: 32, max_replication_slots: 4, max_worker_processes: 2, wal_keep_size: 16MB}`},
}

// alwaysDiffers are settings in which the agents differ on purpose.
var alwaysDiffers = map[string]string{
	"set wal_retrieve_retry_interval": "200 ms unless configured: a standby that waits out 5 s cannot be promoted at once",
	"pgregent only: set recovery_":    standbyFirst,
	"pgregent only: set primary_slot": standbyFirst,
	"pgregent only: set restore_":     standbyFirst,
	"pgregent only: set archive_cl":   standbyFirst,
}

// standbyFirst explains recovery settings: a primary does not use them.
const standbyFirst = "of the start as a standby, before the promotion; Patroni's server has been a primary from its initdb on"

// TestSameParametersAsPatroni starts a server with Patroni and then with our
// agent, from one file, and compares what PostgreSQL made of it. Only the
// first case is part of the ordinary run.
func TestSameParametersAsPatroni(t *testing.T) {
	lab.Patroni(t)
	cases := configCases
	if os.Getenv("PGREGENT_CONFIG_DIFF") == "" {
		cases = cases[:1]
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.compare(t) })
	}
}

func (c configCase) compare(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"custom.conf": "work_mem = '11MB'\nmaintenance_work_mem = '22MB'\n",
		"hba.conf":    "local all all trust\nhost all all 127.0.0.1/32 trust\n", "ident.conf": "m x y\n",
		"conf/postgresql.conf": "# as the distribution's tool makes it\n", "conf/pg_ident.conf": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir)
	open(t, filepath.Join(dir, "conf"))
	fill := func(text string) string { return strings.ReplaceAll(text, "CUSTOM", dir) }
	l := lab.New(t, lab.Options{Nodes: 1, Lazy: true, DCS: fill("loop_wait: 1\nretry_timeout: 3\n" + c.dcs), Node: func(string) string { return fill(c.pg) }})
	n := l.Nodes[0]
	n.StartPatroni()
	theirs := snapshot(l, n)
	n.Stop(60 * time.Second)
	n.StartOurs()
	ours := snapshot(l, n)
	for _, row := range difference(theirs, ours) {
		why := ""
		for _, known := range []map[string]string{alwaysDiffers, c.differs} {
			for words, reason := range known {
				if strings.Contains(row, words) {
					why = reason
				}
			}
		}
		if why == "" {
			t.Errorf("%s", row)
		} else {
			t.Logf("%s (%s)", row, why)
		}
	}
	if code, doc, err := n.Call("GET", "/patroni", ""); err != nil || code != 200 || strings.Contains(doc, "pending_restart") {
		t.Errorf("after the exchange: %d %s %v", code, doc, err)
	}
}

// open lets the user that the agents run as read and write dir.
func open(t *testing.T, dir string) {
	t.Helper()
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
}

// snapshot is what a primary shows of its configuration, a row a line.
func snapshot(l *lab.Lab, n *lab.Node) map[string]bool {
	l.T.Helper()
	var text string
	l.Wait(90*time.Second, "a primary", func() string {
		out, err := n.Query(`SELECT coalesce(string_agg(line, E'\n'), '') FROM (
 SELECT format('set %s %s', name, setting) AS line FROM pg_settings WHERE source NOT IN ('default', 'client', 'session', 'override', 'environment variable') AND name NOT IN ('application_name', 'client_encoding')
 UNION ALL SELECT format('hba %s %s %s %s %s %s %s %s', type, database, user_name, address, netmask, auth_method, options, error) FROM pg_hba_file_rules
 UNION ALL SELECT format('ident %s %s %s %s', map_name, sys_name, pg_username, error) FROM pg_ident_file_mappings) x
WHERE NOT pg_is_in_recovery()`)
		if err != nil || out == "" {
			return fmt.Sprint("not yet ", err)
		}
		if got, _, err := n.Call("GET", "/primary", ""); got != 200 {
			return fmt.Sprint("not announced ", err)
		}
		text = out
		return ""
	})
	rows := map[string]bool{}
	for line := range strings.SplitSeq(text, "\n") {
		rows[line] = true
	}
	return rows
}

func difference(theirs, ours map[string]bool) []string {
	var out []string
	for row := range theirs {
		if !ours[row] {
			out = append(out, "Patroni only: "+row)
		}
	}
	for row := range ours {
		if !theirs[row] {
			out = append(out, "pgregent only: "+row)
		}
	}
	sort.Strings(out)
	return out
}
