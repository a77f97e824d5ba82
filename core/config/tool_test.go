package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoadTool(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		environ []string
		want    Tool
	}{
		"own file": {
			"scope: shop\nzookeeper: {hosts: ['zk1:2181', 'zk2:2181/base']}\nctl:\n  insecure: on\n  cacert: /ca\n  certfile: /c\n  keyfile: /k\n  authentication: {username: u, password: p}\n", nil,
			Tool{Scope: "shop", Namespace: "service", Username: "u", Password: "p", CACert: "/ca", CertFile: "/c", KeyFile: "/k", Insecure: true},
		},
		"an agent's file": {
			"scope: shop\nnamespace: /db/\nname: n\ncitus: {group: 2}\nrestapi: {listen: '127.0.0.1:1', auth: 'a:b', cafile: /ca}\npostgresql: {data_dir: /d}\nzookeeper: {hosts: 'zk1:2181'}\n", nil,
			Tool{Scope: "shop", Namespace: "/db/", Group: "2", Username: "a", Password: "b", CACert: "/ca", Agent: true},
		},
		"environment": {
			"scope: shop\n",
			[]string{"PATRONI_SCOPE=x", "PGREGENT_SCOPE=env", "PATRONI_ZOOKEEPER_HOSTS='h:1'", "PATRONI_CTL_USERNAME=u", "PATRONI_CTL_PASSWORD=p", "PATRONI_CTL_INSECURE=yes"},
			Tool{Scope: "env", Namespace: "service", Username: "u", Password: "p", Insecure: true},
		},
	} {
		path := filepath.Join(t.TempDir(), "f.yml")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, _, err := LoadTool(path, c.environ)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(got.ZooKeeper.Hosts) == 0 {
			t.Errorf("%s: no hosts", name)
		}
		got.ZooKeeper = ZooKeeper{}
		if diff := cmp.Diff(c.want, *got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	path := filepath.Join(t.TempDir(), "broken.yml")
	if err := os.WriteFile(path, []byte("scope: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := LoadTool(path, nil); err == nil {
		t.Error("a file that is not YAML was read")
	}
}
