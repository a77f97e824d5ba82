package config

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgregent/pgregent/core/cluster"
)

// object parses JSON.
func object(t *testing.T, text string) *cluster.Object {
	t.Helper()
	o, err := cluster.ParseObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// withPostgres is minimal with more lines in the postgresql section.
func withPostgres(lines string) string {
	return strings.Replace(minimal, "postgresql: {", "postgresql: {"+lines+", ", 1)
}

func TestPostgresDefaults(t *testing.T) {
	l, findings := mustLoad(t, minimal, "HOME=/home/x", "PATH=/nowhere")
	if len(findings) > 0 {
		t.Errorf("findings:\n%s", lines(findings))
	}
	got, warnings := l.Postgres(nil)
	got.BinDir = ""
	want := Postgres{
		Scope: "main", Name: "n1", ListenAddresses: "127.0.0.1", Port: 5432, ConnectHost: "127.0.0.1", ConnectPort: 5432,
		DataDir: "/data/n1", ConfigDir: "/data/n1", PgPass: "/home/x/pgpass", Database: "postgres",
		Controlled: []Parameter{
			{"listen_addresses", "127.0.0.1"},
			{"port", "5432"},
			{"cluster_name", "main"},
			{"wal_level", "replica"},
			{"hot_standby", "on"},
			{"max_connections", "100"},
			{"max_wal_senders", "10"},
			{"max_prepared_transactions", "0"},
			{"max_locks_per_transaction", "64"},
			{"track_commit_timestamp", "off"},
			{"max_replication_slots", "10"},
			{"max_worker_processes", "8"},
			{"wal_log_hints", "on"},
		},
		Parameters: []Parameter{{"wal_keep_size", "128MB"}},
		UseSlots:   true, PgCtlTimeout: time.Minute, RetryTimeout: 10 * time.Second, Site: Site{Methods: []Method{{Name: BaseBackupMethod}}},
	}
	if diff := cmp.Diff(want, got); diff != "" || len(warnings) > 0 {
		t.Errorf("(-want +got):\n%s\nwarnings %q", diff, warnings)
	}
	if l.StateDir != "/data/.pgregent-n1" || l.Namespace != "service" || l.ZooKeeper.TickTime != 2*time.Second {
		t.Errorf("got %q, %q, %v", l.StateDir, l.Namespace, l.ZooKeeper.TickTime)
	}
}

func TestParametersMerge(t *testing.T) {
	const set = `{"postgresql": {"parameters": `
	tests := []struct {
		name, local, dynamic string
		want                 string // name=value of Controlled that are not default, Parameters, then RecoveryConf after |
		warns                []string
	}{
		{"local wins, names are lower-cased", `parameters: {Work_Mem: 8MB}`, set + `{"work_mem": "4MB", "fsync": false}}}`, "fsync=False wal_keep_size=128MB work_mem=8MB |", nil},
		{"YAML booleans", `parameters: {jit: off, a.b: yes}`, `{}`, "a.b=True jit=False wal_keep_size=128MB |", nil},
		{"dynamic null leaves the default", ``, set + `{"work_mem": null}}}`, "wal_keep_size=128MB |", nil},
		{"controlled only from dynamic", `parameters: {max_connections: 300}`, set + `{"max_connections": 200}}}`, "max_connections=200 wal_keep_size=128MB |", []string{"max_connections of the local configuration is ignored"}},
		{"the same controlled value is no news", `parameters: {max_connections: 200}`, set + `{"max_connections": "200"}}}`, "max_connections=200 wal_keep_size=128MB |", nil},
		{"controlled at the minimum", ``, set + `{"max_connections": 25, "max_wal_senders": 3}}}`, "max_connections=25 max_wal_senders=3 wal_keep_size=128MB |", nil},
		{"controlled below the minimum", ``, set + `{"max_connections": 24, "max_wal_senders": "x"}}}`, "wal_keep_size=128MB |", []string{"max_connections=24 failed validation, defaulting to 100", "max_wal_senders=x failed validation"}},
		{"wal_level", ``, set + `{"wal_level": "hot_standby"}}}`, "wal_keep_size=128MB |", nil},
		{"wal_level logical", ``, set + `{"wal_level": "Logical", "wal_log_hints": false}}}`, "wal_level=logical wal_log_hints=off wal_keep_size=128MB |", nil},
		{"wal_level minimal", ``, set + `{"wal_level": "minimal", "hot_standby": "off"}}}`, "wal_keep_size=128MB |", []string{"hot_standby=off failed", "wal_level=minimal failed"}},
		{"wal_keep_segments", ``, set + `{"wal_keep_segments": 10}}}`, "wal_keep_size=160MB |", nil},
		{"wal_keep_size", ``, set + `{"wal_keep_size": "1GB", "wal_keep_segments": 10}}}`, "wal_keep_size=1GB |", nil},
		{"wal_keep_size too small", `parameters: {wal_keep_size: 2GB}`, set + `{"wal_keep_size": "15MB"}}}`, "wal_keep_size=128MB |", []string{"wal_keep_size=15MB failed", "wal_keep_size of the local"}},
		{"addresses", `parameters: {port: 1}`, set + `{"cluster_name": "x"}}}`, "wal_keep_size=128MB |", []string{"cluster_name of the dynamic", "port of the local"}},
		{"not a mapping", ``, set + `[1]}}`, "wal_keep_size=128MB |", []string{"must be a mapping"}},
		{"recovery section, local replaces dynamic", `recovery_conf: {restore_command: cp}`, `{"postgresql": {"recovery_conf": {"recovery_min_apply_delay": "1h"}}}`, "wal_keep_size=128MB |restore_command=cp", nil},
		{"recovery settings in parameters", `recovery_conf: {restore_command: cp}`, set + `{"archive_cleanup_command": "x", "recovery_target_time": "y", "promote_trigger_file": "z"}}}`, "wal_keep_size=128MB |archive_cleanup_command=x", nil},
		{"recovery settings of the agent", `recovery_conf: {primary_conninfo: x, standby_mode: on, work_mem: 1}`, `{}`, "wal_keep_size=128MB |", []string{"recovery_conf.work_mem"}},
		{"lists and file names", `parameters: {shared_preload_libraries: [a, b], hba_file: x}`, `{}`, "hba_file=/data/n1/x shared_preload_libraries=a,b wal_keep_size=128MB |", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := minimal
			if tt.local != "" {
				text = withPostgres(tt.local)
			}
			l, _ := mustLoad(t, text, "PATH=/nowhere")
			p, warnings := l.Postgres(object(t, tt.dynamic))
			if got := settings(t, p); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if len(warnings) != len(tt.warns) {
				t.Fatalf("warnings %q, want %q", warnings, tt.warns)
			}
			for i, w := range tt.warns {
				if !strings.Contains(warnings[i], w) {
					t.Errorf("warning %q, want %q", warnings[i], w)
				}
			}
		})
	}
}

// settings writes what differs from the defaults.
func settings(t *testing.T, p Postgres) string {
	t.Helper()
	l, _ := mustLoad(t, minimal)
	base, _ := l.Postgres(nil)
	var out []string
	for i, c := range p.Controlled {
		if c != base.Controlled[i] {
			out = append(out, c.Name+"="+c.Value)
		}
	}
	for _, c := range p.Parameters {
		out = append(out, c.Name+"="+c.Value)
	}
	var recovery []string
	for _, c := range p.RecoveryConf {
		recovery = append(recovery, c.Name+"="+c.Value)
	}
	return strings.Join(out, " ") + " |" + strings.Join(recovery, " ")
}

func TestPostgresMerge(t *testing.T) {
	l, _ := mustLoad(t, strings.Replace(withPostgres(`connect_address: "[::1]:6000", pg_hba: [a, b], bin_dir: /b, use_unix_socket: yes, basebackup: [max-rate: 1M, "checkpoint=fast", verbose, host: x],
  authentication: {superuser: {username: s, password: }, replication: {username: r, sslmode: require, junk: 1}}`), `"127.0.0.1:5432"`, `"[::1],h:5433"`, 1))
	p, warnings := l.Postgres(object(t, `{"retry_timeout": 5, "postgresql": {"pg_hba": ["c"], "pg_ident": ["d"], "bin_dir": "/c",
		"listen": "x:1", "data_dir": "/y", "authentication": {"superuser": {"username": "z"}}, "use_slots": false, "use_pg_rewind": true, "pg_ctl_timeout": "2min", "custom_conf": "/cc"}}`))
	want := Postgres{
		Scope: "main", Name: "n1", ListenAddresses: "::1,h", Port: 5433, ConnectHost: "::1", ConnectPort: 6000,
		DataDir: "/data/n1", ConfigDir: "/data/n1", BinDir: "/b", PgPass: "/pgpass", Database: "postgres", UseUnixSocket: true,
		Superuser:   Credentials{Username: "s", HasPassword: true},
		Replication: Credentials{Username: "r", SSL: map[string]string{"sslmode": "require"}},
		PgHba:       []string{"a", "b"}, PgIdent: []string{"d"}, CustomConf: "/cc", UsePgRewind: true,
		BaseBackup:   []Option{{"max-rate", "1M", true}, {"checkpoint", "fast", true}, {"verbose", "", false}},
		PgCtlTimeout: 2 * time.Minute, RetryTimeout: 5 * time.Second, Site: Site{Methods: []Method{{Name: BaseBackupMethod}}},
	}
	p.Controlled, p.Parameters = nil, nil
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "host") {
		t.Errorf("warnings %q", warnings)
	}
	if s, _ := l.Settings(object(t, `{"ttl": 40}`)); s.TTL != 40*time.Second || s.UsePgRewind {
		t.Errorf("settings %+v", s)
	}
}

func TestLocalWinsInSettings(t *testing.T) {
	l, _ := mustLoad(t, withPostgres("use_pg_rewind: true"))
	dynamic := object(t, `{"postgresql": {"use_pg_rewind": false}}`)
	if s, _ := l.Settings(dynamic); !s.UsePgRewind {
		t.Error("the local use_pg_rewind is lost")
	}
	if dynamic.String() != `{"postgresql":{"use_pg_rewind":false}}` {
		t.Errorf("the argument was changed: %s", dynamic)
	}
}

func TestLoadSections(t *testing.T) {
	l, findings := mustLoad(t, `
x: &tags {datacentre: a}
scope: 12
name: n1
namespace: /a//b
restapi: {listen: "*:8008", connect_address: "h:1", auth: "u:p:q"}
zookeeper: {hosts: [a, "[::1]:2182", "c:1/x/y/"], tick_time: 500ms, auth_data: {digest: "u:p"}}
postgresql:
  listen: "*"
  connect_address: h:5432
  data_dir: /data/n1/
  superuser: {username: s}
  replication: {username: r}
  pg_rewind: {username: w}
bootstrap:
  dcs: {ttl: 20, loop_wait: 5, retry_timeout: 5}
  initdb: {encoding: UTF8, data-checksums: }
  pg_hba: "a\nb\n"
  post_init: /x "y z"
tags: {<<: *tags, clonefrom: yes}
log: {level: 10, type: json}
`)
	if got := lines(findings); got != "warning: c.yml:2: x: unknown key\n" {
		t.Errorf("findings:\n%s", got)
	}
	if want := (RESTAPI{":8008", "h:1", "u", "p:q"}); l.RESTAPI != want {
		t.Errorf("restapi %+v, want %+v", l.RESTAPI, want)
	}
	zk := ZooKeeper{Hosts: []string{"a:2181", "[::1]:2182", "c:1"}, Chroot: "/x/y", TickTime: 500 * time.Millisecond, AuthData: map[string]string{"digest": "u:p"}}
	if diff := cmp.Diff(zk, l.ZooKeeper); diff != "" {
		t.Errorf("zookeeper (-want +got):\n%s", diff)
	}
	b := l.Bootstrap
	if b.DCS.String() != `{"ttl":20,"loop_wait":5,"retry_timeout":5}` || b.PostBootstrap != `/x "y z"` {
		t.Errorf("bootstrap %s %q", b.DCS, b.PostBootstrap)
	}
	if diff := cmp.Diff([]Option{{"encoding", "UTF8", true}, {"data-checksums", "", false}}, b.Initdb); diff != "" {
		t.Errorf("initdb (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a", "b"}, b.PgHba); diff != "" {
		t.Errorf("pg_hba (-want +got):\n%s", diff)
	}
	if got := l.Tags.Object().String(); got != `{"datacentre":"a","clonefrom":true}` {
		t.Errorf("tags %s", got)
	}
	if l.Scope != "12" || l.Log.Level != slog.LevelDebug || !l.Log.JSON {
		t.Errorf("scope %q, log %+v", l.Scope, l.Log)
	}
	p, _ := l.Postgres(nil)
	if p.ListenAddresses != "*" || p.Superuser.Username != "s" || p.Replication.Username != "r" || !p.UsePgRewind {
		t.Errorf("old layout: %+v", p)
	}
}

func TestEnvironment(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
		got     func(*Local) any
		want    any
	}{
		{"names are text", []string{"PATRONI_NAME=1"}, func(l *Local) any { return l.Name }, "1"},
		{"native wins", []string{"PGREGENT_NAME=a", "PATRONI_NAME=b"}, func(l *Local) any { return l.Name }, "a"},
		{"empty is unset", []string{"PGREGENT_NAME=", "PATRONI_NAME="}, func(l *Local) any { return l.Name }, "n1"},
		{"list", []string{"PATRONI_ZOOKEEPER_HOSTS='h1:1','h2:2'"}, func(l *Local) any { return strings.Join(l.ZooKeeper.Hosts, " ") }, "h1:1 h2:2"},
		{"list without quotes", []string{"PATRONI_ZOOKEEPER_HOSTS=h1:1,h2"}, func(l *Local) any { return strings.Join(l.ZooKeeper.Hosts, " ") }, "h1:1 h2:2181"},
		{"dash list", []string{"PATRONI_ZOOKEEPER_HOSTS=- h1\n- h2"}, func(l *Local) any { return strings.Join(l.ZooKeeper.Hosts, " ") }, "h1:2181 h2:2181"},
		{"map", []string{"PATRONI_ZOOKEEPER_AUTH_DATA=digest: u"}, func(l *Local) any { return l.ZooKeeper.AuthData["digest"] }, "u"},
		{"credentials", []string{"PATRONI_SUPERUSER_USERNAME=s", "PATRONI_SUPERUSER_SSLMODE=x"}, func(l *Local) any {
			p, _ := l.Postgres(nil)
			return p.Superuser.Username + p.Superuser.SSL["sslmode"]
		}, "sx"},
		{"programs", []string{"PATRONI_POSTGRESQL_BIN_PG_CTL=c"}, func(l *Local) any { p, _ := l.Postgres(nil); return p.BinName["pg_ctl"] }, "c"},
		{"rest users", []string{"PATRONI_RESTAPI_USERNAME=u", "PATRONI_RESTAPI_PASSWORD=p"}, func(l *Local) any { return l.RESTAPI.Username + l.RESTAPI.Password }, "up"},
		{"old name", []string{"PATRONI_LOGLEVEL=ERROR"}, func(l *Local) any { return l.Log.Level }, slog.LevelError},
		{"old and new name", []string{"PATRONI_LOGLEVEL=ERROR", "PATRONI_LOG_LEVEL=DEBUG"}, func(l *Local) any { return l.Log.Level }, slog.LevelDebug},
		{"state directory", []string{"PGREGENT_STATE_DIR=/s"}, func(l *Local) any { return l.StateDir }, "/s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, findings := mustLoad(t, minimal, tt.environ...)
			if len(findings) > 0 {
				t.Errorf("findings:\n%s", lines(findings))
			}
			if got := tt.got(l); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestLoadSources(t *testing.T) {
	t.Run("a whole document in the environment", func(t *testing.T) {
		l, _, err := Load("/does/not/exist", []string{"PATRONI_CONFIGURATION=" + minimal, "PATRONI_NAME=other"})
		if err != nil || l.Name != "n1" {
			t.Errorf("got %v, %v", l, err)
		}
	})
	t.Run("variables alone", func(t *testing.T) {
		l, _, err := Load("", []string{
			"PATRONI_SCOPE=s", "PATRONI_NAME=n", "PATRONI_RESTAPI_LISTEN=a:1", "PATRONI_ZOOKEEPER_HOSTS=z",
			"PATRONI_POSTGRESQL_LISTEN=a:2", "PATRONI_POSTGRESQL_DATA_DIR=/d/d",
		})
		if err != nil || l.RESTAPI.ConnectAddress != "a:1" {
			t.Errorf("got %v, %v", l, err)
		}
	})
	t.Run("a directory", func(t *testing.T) {
		dir := t.TempDir()
		for name, text := range map[string]string{"a.yml": minimal, "b.yaml": "name: n2\nlog: {level: loud}\n", "c.txt": "- x"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, findings, err := Load(dir, nil)
		if got := lines(findings); err == nil || !strings.HasPrefix(got, "error: b.yaml:2: log.level: ") {
			t.Errorf("got %v\n%s", err, got)
		}
	})
	t.Run("unreadable", func(t *testing.T) {
		path := filepath.Join(write(t, ""), "below-a-file")
		if _, _, err := Load(path, nil); err == nil || !strings.Contains(err.Error(), "read configuration: ") {
			t.Errorf("got %v", err)
		}
	})
}
