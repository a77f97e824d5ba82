package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChanges(t *testing.T) {
	old, _ := mustLoad(t, minimal+"tags: {zone: a, gone: x}\nlog: {level: INFO}\n")
	text := strings.NewReplacer("5432", "5433", "/data/n1", "/data/n2").Replace(minimal)
	text = strings.Replace(text, "data_dir", "authentication: {superuser: {password: s3cret}}, parameters: {work_mem: 8MB}, data_dir", 1)
	now, _ := mustLoad(t, text+"tags: {zone: b}\nlog: {level: \"INFO\"}\nbootstrap: {dcs: {ttl: 40}, initdb: [k]}\n", "PATRONI_REPLICATION_USERNAME=r")
	want := []Changed{
		{"bootstrap.dcs.ttl", "", "40", AtBootstrap},
		{"bootstrap.initdb", "", `["k"]`, AtBootstrap},
		{"postgresql.authentication.replication.username", "", "r", AtReload},
		{"postgresql.authentication.superuser.password", "", Mask, AtReload},
		{"postgresql.data_dir", "/data/n1", "/data/n2", AtAgentRestart},
		{"postgresql.listen", "127.0.0.1:5432", "127.0.0.1:5433", AtRestart},
		{"postgresql.parameters.work_mem", "", "8MB", AtReload},
		{"tags.gone", "x", "", AtReload},
		{"tags.zone", "a", "b", AtReload},
	}
	if diff := cmp.Diff(want, Changes(old, now)); diff != "" {
		t.Errorf("changes differ (-want +got):\n%s", diff)
	}
	if same := Changes(now, now); len(same) > 0 {
		t.Errorf("nothing changed, got %v", same)
	}
}

// TestChangesHideSettings: only a plugin knows which of its settings are secret.
func TestChangesHideSettings(t *testing.T) {
	old, _ := mustLoad(t, minimal+"plugins: {hook: {type: webhook, settings: {url: 'http://x', headers: {Authorization: abc}}}}\n")
	now, _ := mustLoad(t, minimal+"plugins: {hook: {type: webhook, settings: {url: 'http://y', headers: {Authorization: def}, apikey: ghi}}}\n")
	want := []Changed{
		{"plugins.hook.settings.apikey", "", Mask, AtReload},
		{"plugins.hook.settings.headers.Authorization", Mask, Mask, AtReload},
		{"plugins.hook.settings.url", Mask, Mask, AtReload},
	}
	if diff := cmp.Diff(want, Changes(old, now)); diff != "" {
		t.Errorf("changes differ (-want +got):\n%s", diff)
	}
}

// TestWithFixed: a reload changes neither who the node is nor where its data
// are, and takes over the rest.
func TestWithFixed(t *testing.T) {
	old, _ := mustLoad(t, minimal)
	text := strings.NewReplacer("/data/n1", "/data/n2, bin_dir: /other, use_unix_socket: true, database: x", "n1", "n2", "scope: main", "scope: other").Replace(minimal)
	now, _ := mustLoad(t, strings.Replace(text, `hosts: "127.0.0.1"`, `hosts: "127.0.0.2"`, 1)+"tags: {zone: b}\n")
	kept := now.WithFixed(old)
	p, _ := kept.Postgres(nil)
	if kept.Name != "n1" || kept.Scope != "main" || kept.StateDir != old.StateDir || kept.ZooKeeper.Hosts[0] != "127.0.0.1:2181" ||
		p.DataDir != "/data/n1" || p.BinDir == "/other" || p.Database != "postgres" || p.Name != "n1" {
		t.Errorf("what takes a restart has changed: %+v %+v", kept, p)
	}
	if !p.UseUnixSocket || kept.Tags.Object().Get("zone") != "b" {
		t.Errorf("what can change has not: %+v %v", p, kept.Tags)
	}
	if p, _ := now.Postgres(nil); p.DataDir != "/data/n2" {
		t.Error("what was read must stay as it is")
	}
}
