package config

import (
	"maps"
	"strings"
	"testing"
)

const explained = `scope: main
name: n1
restapi: {listen: "127.0.0.1:8008"}
zookeeper: {hosts: "127.0.0.1", auth_data: {digest: "me:s3cret"}}
bootstrap:
  dcs:
    ttl: 40
    postgresql:
      parameters: {max_connections: 70, Work_Mem: 8MB, shared_buffers: 1GB}
postgresql:
  listen: 127.0.0.1:5432
  data_dir: /data/n1
  use_pg_rewind: on
  authentication:
    replication: {username: rep, password: s3cret}
  parameters:
    max_connections: 20
    shared_buffers: 2GB
    archive_command: "put --password=s3cret %p"
  recovery_conf:
    restore_command: "get postgres://me:s3cret@host/%f"
tags: {zone: a}
`

func TestExplain(t *testing.T) {
	l, _ := mustLoad(t, explained, "PATRONI_NAMESPACE=ns", "PGREGENT_FENCE_TAKEOVER_WAIT=7")
	got := map[string]Setting{}
	for _, s := range l.Explain(Dynamic{Object: l.Bootstrap.DCS}) {
		if _, twice := got[s.Key]; twice {
			t.Errorf("%s is listed twice", s.Key)
		}
		if strings.Contains(s.Value+s.Note, "s3cret") {
			t.Errorf("%s shows a secret: %q %q", s.Key, s.Value, s.Note)
		}
		s.File = s.File[strings.LastIndexByte(s.File, '/')+1:]
		got[s.Key] = s
	}
	for _, want := range []Setting{
		{"scope", "main", FromFile, "c.yml", 1, ""},
		{"namespace", "ns", FromEnvironment, "$PATRONI_NAMESPACE", 0, ""},
		{"fence.takeover_wait", "7", FromEnvironment, "$PGREGENT_FENCE_TAKEOVER_WAIT", 0, ""},
		{"fence.mode", "required", FromDefault, "", 0, ""},
		{"ttl", "40", FromStore, "c.yml", 7, ""},
		{"loop_wait", "10", FromDefault, "", 0, ""},
		{"postgresql.use_pg_rewind", "true", FromFile, "c.yml", 13, ""},
		{"postgresql.authentication.replication.password", Mask, FromFile, "c.yml", 15, ""},
		{"postgresql.authentication.replication.username", "rep", FromFile, "c.yml", 15, ""},
		{"postgresql.parameters.max_connections", "70", FromStore, "c.yml", 9, "the local value 20 has no effect: all members must have the same"},
		{"postgresql.parameters.shared_buffers", "2GB", FromFile, "c.yml", 18, "overrides 1GB of the dynamic configuration"},
		{"postgresql.parameters.work_mem", "8MB", FromStore, "c.yml", 9, ""},
		{"postgresql.parameters.wal_level", "replica", FromDefault, "", 0, ""},
		{"postgresql.parameters.port", "5432", FromAgent, "", 0, "set by postgresql.listen"},
		{"postgresql.parameters.archive_command", "put --password=" + Mask + " %p", FromFile, "c.yml", 19, ""},
		{"postgresql.parameters.restore_command", "get postgres://me:" + Mask + "@host/%f", FromFile, "", 0, "from postgresql.recovery_conf"},
		{"zookeeper.auth_data", `{"digest":"` + Mask + `"}`, FromFile, "c.yml", 4, ""},
		{"tags.zone", "a", FromFile, "c.yml", 22, ""},
	} {
		if got[want.Key] != want {
			t.Errorf("got  %+v\nwant %+v", got[want.Key], want)
		}
	}
}

func TestPrint(t *testing.T) {
	l, _ := mustLoad(t, explained, "PATRONI_NAMESPACE=12:30")
	text := string(l.Print())
	if strings.Contains(text, "s3cret") || !strings.Contains(text, "password: '"+Mask+"'") && !strings.Contains(text, `password: "`+Mask+`"`) {
		t.Errorf("secrets must be masked:\n%s", text)
	}
	again, findings, err := Load("", []string{"PATRONI_CONFIGURATION=" + text})
	if err != nil || len(findings) > 1 {
		t.Fatalf("what was printed does not load: %v %v\n%s", err, findings, text)
	}
	if again.Namespace != "12:30" || string(again.Print()) != text {
		t.Errorf("what was printed reads as something else:\n%s\n%s", text, again.Print())
	}
	if strings.Index(text, "bootstrap:") > strings.Index(text, "name:") {
		t.Errorf("keys are not sorted:\n%s", text)
	}
}

func TestGenerated(t *testing.T) {
	h := Host{Name: "db-1", Address: "192.0.2.9", Major: 15, BinDir: "/usr/lib/postgresql/15/bin"}
	r := Running{
		ClusterName: "", DataDir: "/data", ConfigDir: "/etc/pg", BinDir: "/bin", ListenAddresses: "127.0.0.1, ::1", Port: 5433,
		Parameters: []Parameter{
			{"max_connections", "70"},
			{"port", "5433"},
			{"archive_command", "cp %p 'a b'"},
			{"hba_file", "/etc/pg/pg_hba.conf"},
			{"primary_conninfo", "password=s3cret"},
			{"DateStyle", "ISO, MDY"},
		},
		HBA: []string{"local all all peer"}, Superuser: Credentials{Username: "boss", Password: "p'w\"%", HasPassword: true},
	}
	sample, f1 := GenerateSample(h, []string{"PATRONI_SCOPE=batman", "PGREGENT_WATCHDOG_MODE=off"})
	running, f2 := GenerateFrom(r, h, nil)
	if len(f1)+len(f2) > 0 {
		t.Errorf("findings: %v %v", f1, f2)
	}
	for name, text := range map[string]string{"sample": string(sample), "running": string(running)} {
		l, findings, err := Load("", []string{"PATRONI_CONFIGURATION=" + strings.ReplaceAll(text, fixMe, "fixed")})
		if err != nil || len(findings) > 0 {
			t.Fatalf("%s does not load: %v %v\n%s", name, err, findings, text)
		}
		p, warnings := l.Postgres(l.Bootstrap.DCS)
		if len(warnings) > 0 || l.Name != "db-1" {
			t.Errorf("%s: %q, name %s", name, warnings, l.Name)
		}
		switch name {
		case "sample":
			if l.Scope != "batman" || l.Watchdog.Mode != WatchdogOff || l.RESTAPI.ConnectAddress != "192.0.2.9:8008" || p.Port != 5432 {
				t.Errorf("sample: %+v", l)
			}
		case "running":
			if p.ListenAddresses != "127.0.0.1,::1" || p.Port != 5433 || parameter(p.Controlled, "max_connections") != "70" ||
				parameter(p.Parameters, "archive_command") != "cp %p 'a b'" || p.Superuser.Password != "p'w\"%" || len(p.PgHba) != 1 || strings.Contains(text, "s3cret") {
				t.Errorf("running: %+v\n%s", p, text)
			}
		}
	}
}

// What a reload has read and the agent does not work with yet is told so, over
// any number of reloads.
func TestExplainTellsWhatIsNotInForce(t *testing.T) {
	first, _ := mustLoad(t, minimal+"fence: {mode: preferred}\nlog: {type: plain}\nstate_dir: /s\n")
	text := strings.NewReplacer("/data/n1", "/data/n2", `hosts: "127.0.0.1"`, `hosts: "127.0.0.2", auth_data: {digest: "me:s3cret"}`).Replace(minimal)
	second, _ := mustLoad(t, text+"log: {level: DEBUG}\nttl: 9\n")
	third, _ := mustLoad(t, minimal+"fence: {mode: preferred}\nstate_dir: /s\n")
	running := second.WithFixed(first)
	const takes = "takes a restart of the agent; in force: "
	for name, c := range map[string]struct {
		local *Local
		want  map[string]string
	}{
		"started": {first, nil},
		"reloaded": {running, map[string]string{
			"postgresql.data_dir": takes + "/data/n1", "zookeeper.hosts": takes + "127.0.0.1", "zookeeper.auth_data": takes + "not set",
			"fence.mode": takes + "preferred", "state_dir": takes + "/s",
		}},
		"and again, as it is": {second.WithFixed(running), map[string]string{
			"postgresql.data_dir": takes + "/data/n1", "zookeeper.hosts": takes + "127.0.0.1", "zookeeper.auth_data": takes + "not set",
			"fence.mode": takes + "preferred", "state_dir": takes + "/s",
		}},
		"and again, as it was": {third.WithFixed(running), nil},
	} {
		got := map[string]string{}
		for _, s := range c.local.Explain(Dynamic{}) {
			if strings.Contains(s.Note, takes) {
				got[s.Key] = s.Note
			}
			if strings.Contains(s.Value+s.Note, "s3cret") {
				t.Errorf("%s: %s shows a secret", name, s.Key)
			}
		}
		if len(got)+len(c.want) > 0 && !maps.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
