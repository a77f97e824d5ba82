package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/zkdcs"
)

const fenceFile = `
scope: s
name: n
restapi: {listen: "127.0.0.1:8008", connect_address: "127.0.0.1:8008"}
postgresql: {listen: "127.0.0.1:5432", connect_address: "127.0.0.1:5432", data_dir: /d, authentication: {superuser: {username: p, password: x}, replication: {username: r, password: x}}}
zookeeper: %s
`

// The fence outlives agents: it looks at what its configuration says now.
func TestTheFenceReachesTheServersOfToday(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yml")
	put := func(section string) {
		t.Helper()
		if err := os.WriteFile(path, fmt.Appendf(nil, fenceFile, section), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(`{hosts: "old:1"}`)
	local, _, err := config.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, section string
		want          []string // the first host of each way
	}{
		{"unchanged", `{hosts: "old:1"}`, []string{"old:1"}},
		{"other hosts", `{hosts: "new:1"}`, []string{"new:1", "old:1"}},
		{"other credentials", `{hosts: "old:1", auth_data: {digest: "u:p"}}`, []string{"old:1", "old:1"}},
		{"a file that cannot be used", `{hosts: [`, []string{"old:1"}},
		{"a certificate that is not there", `{hosts: "new:1", use_ssl: true, cacert: /nowhere/ca.pem}`, []string{"old:1"}},
	} {
		put(c.section)
		ways, err := waysToServers(path, local.ZooKeeper)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		var got []string
		for _, w := range ways {
			got = append(got, w.Hosts[0])
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// A session that no server can be asked to end is left to the next agent.
func TestTheFenceSpendsNoSessionInVain(t *testing.T) {
	local := &config.Local{Namespace: "service", Scope: "s", Name: "n"}
	local.ZooKeeper.TLS = &config.ZooKeeperTLS{CAFile: filepath.Join(t.TempDir(), "ca.pem"), Verify: true}
	d := &stateDir{dir: t.TempDir(), local: local}
	if err := d.saveSession(zkdcs.Session{ID: 7}); err != nil {
		t.Fatal(err)
	}
	if err := closeSession(filepath.Join(t.TempDir(), "c.yml"), local, d, 7); err == nil {
		t.Error("got no error")
	}
	if d.loadSpent() != 0 || d.loadSession() == nil {
		t.Errorf("spent %d, session %v", d.loadSpent(), d.loadSession())
	}
}
