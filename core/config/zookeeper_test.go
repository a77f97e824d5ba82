package config

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestZooKeeperAccess(t *testing.T) {
	const file = `
scope: s
name: n
restapi: {listen: "127.0.0.1:8008", connect_address: "127.0.0.1:8008"}
postgresql: {listen: "127.0.0.1:5432", connect_address: "127.0.0.1:5432", data_dir: /d, authentication: {superuser: {username: p, password: x}, replication: {username: r, password: x}}}
zookeeper:
  hosts: h:1
  use_ssl: true
  cacert: /ca.pem
  cert: /c.pem
  key: /k.pem
  key_password: s3cret
  verify_hostname: true
  auth_data: {digest: "me:s3cret"}
  set_acls:
    "CN=me,O=Ops": [all]
    "CN=urn:pg:db1,O=x": [READ]
    "x509:CN=urn:pg:db2": [READ]
    "digest:me:s3cret": [create, READ, Write, DELETE]
    "digest:other:kZxZ9uAbOnUv7oaXRsdPYgqXmKU=": READ
    "auth:": [ADMIN]
    "world:anyone": read
`
	path := filepath.Join(t.TempDir(), "c.yml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	l, findings, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
	yes := true
	want := &ZooKeeperTLS{TLS: TLS{"/c.pem", "/k.pem", "s3cret"}, CAFile: "/ca.pem", Verify: true, VerifyHost: &yes}
	if diff := cmp.Diff(want, l.ZooKeeper.TLS); diff != "" {
		t.Errorf("TLS (-want +got):\n%s", diff)
	}
	acls := []ACL{
		{"x509", "CN=me,O=Ops", 31},
		{"x509", "CN=urn:pg:db1,O=x", 1},
		{"x509", "CN=urn:pg:db2", 1},
		{"digest", "me:mywVnF2yfVvfUSDb8eQUSrdbhvM=", 15}, // as zookeeper's DigestAuthenticationProvider prints it
		{"digest", "other:kZxZ9uAbOnUv7oaXRsdPYgqXmKU=", 1},
		{"auth", "", 16},
		{"world", "anyone", 1},
	}
	if diff := cmp.Diff(acls, l.ZooKeeper.ACL); diff != "" {
		t.Errorf("ACL (-want +got):\n%s", diff)
	}
	missing := map[string]bool{}
	for _, f := range l.Validate() {
		if strings.Contains(f.Message, "cannot be read: no such file") {
			missing[f.Key] = true
		}
	}
	if want := map[string]bool{"zookeeper.cacert": true, "zookeeper.cert": true, "zookeeper.key": true}; !maps.Equal(missing, want) {
		t.Errorf("the files that are missing are of %v", missing)
	}
	shown := string(l.Print())
	if strings.Contains(shown, "s3cret") || !strings.Contains(shown, "digest:me:"+Mask) || !strings.Contains(shown, "CN=urn:pg:db1,O=x") {
		t.Errorf("shown as\n%s", shown)
	}
}

// Who cannot work with the znodes that it makes is told so; what the
// configuration alone does not tell is left to the servers.
func TestLockedOut(t *testing.T) {
	for _, c := range []struct {
		name, section string
		want          string // severity; "": nothing is told
	}{
		{"the own digest", `auth_data: {digest: 'u:p'}, set_acls: {'digest:u:p': [ALL]}`, ""},
		{"two entries that add up", `auth_data: {digest: 'u:p'}, set_acls: {'digest:u:p': [WRITE, CREATE, DELETE], 'world:anyone': [READ]}`, ""},
		{"two entries that do not", `auth_data: {digest: 'u:p'}, set_acls: {'digest:u:p': [READ, WRITE], 'world:anyone': [CREATE]}`, "error"},
		{"another's digest", `auth_data: {digest: 'u:q'}, set_acls: {'digest:u:p': [ALL]}`, "error"},
		{"no credential", `set_acls: {'digest:u:p': [ALL]}`, "error"},
		{"another's digest, but an address", `set_acls: {'digest:u:p': [ALL], 'ip:127.0.0.1': [ALL]}`, ""},
		{"another's digest, but a certificate", `use_ssl: on, cert: /c.pem, set_acls: {'digest:u:p': [ALL], 'CN=me': [ALL]}`, ""},
		{"a certificate that is not there", `set_acls: {'CN=me': [ALL]}`, "warning"},
		{"SASL", `set_acls: {'sasl:me': [ALL]}`, "warning"},
	} {
		got := brokenFindings(t, "zookeeper: {"+c.section+"}")
		severity, _, _ := strings.Cut(got, ":")
		if severity != c.want || c.want != "" && !strings.Contains(got, "lets this agent") {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// A bundle that was meant to be there, but is not named, is no bundle.
func TestAuthoritiesWithoutAName(t *testing.T) {
	for section, want := range map[string]bool{
		"use_ssl: on, cacert: ":              true,
		"use_ssl: on, cacert: ''":            true,
		"use_ssl: on, cacert: /ca.pem":       false,
		"use_ssl: on":                        false, // the host's authorities were not asked for by mistake
		"use_ssl: on, cacert: , verify: off": false, // told already
	} {
		if got := strings.Contains(brokenFindings(t, "zookeeper: {"+section+"}"), "zookeeper.cacert"); got != want {
			t.Errorf("%s: told %v, want %v", section, got, want)
		}
	}
}
