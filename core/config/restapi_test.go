package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const restBase = `scope: s
name: n
zookeeper: {hosts: ["127.0.0.1:2181"]}
postgresql: {listen: "127.0.0.1:5432", data_dir: /tmp/none/data}
`

func loadREST(t *testing.T, section string) (*Local, []Finding) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.yml")
	if err := os.WriteFile(file, []byte(restBase+section), 0o600); err != nil {
		t.Fatal(err)
	}
	l, findings, err := Load(file, nil)
	if err != nil && len(findings) == 0 {
		t.Fatal(err)
	}
	return l, findings
}

func TestRESTAccess(t *testing.T) {
	l, _ := loadREST(t, `restapi:
  listen: 127.0.0.1:8008
  certfile: /c.pem
  keyfile: /c.key
  keyfile_password: p
  cafile: /ca.pem
  ciphers: HIGH
  verify_client: Optional
  allowlist: [192.0.2.7/24, db1, "::1"]
  allowlist_include_members: on
  http_extra_headers: {X-A: 1}
  https_extra_headers: {X-B: two}
  server_tokens: Minimal
  max_connections_per_address: 7
  primary_role: master
  identities:
  - {name: ci, role: Operator, token: t}
  - {name: ann, role: admin, certificate: "CN=ann"}
  agent_check: {listen: "*:8009", check: read-only, max_lag: 1000}
ctl: {insecure: true, cacert: /ca2.pem, certfile: /me.pem, keyfile: /me.key, authentication: {username: u, password: p}}
`)
	want := RESTAccess{
		TLS: TLS{"/c.pem", "/c.key", "p"}, CAFile: "/ca.pem", Ciphers: "HIGH", VerifyClient: "optional",
		Allowlist: []string{"192.0.2.7/24", "db1", "::1"}, IncludeMembers: true,
		HTTPHeaders: []Parameter{{"X-A", "1"}}, HTTPSHeaders: []Parameter{{"X-B", "two"}},
		ServerTokens: "minimal", ConnectionsPerAddress: 7, MasterRole: true,
		Identities: []Identity{{Name: "ci", Role: "operator", Token: "t"}, {Name: "ann", Role: "admin", Certificate: "CN=ann"}},
		AgentCheck: AgentCheck{Listen: ":8009", Check: "/read-only", MaxLag: 1000},
	}
	if !reflect.DeepEqual(l.RESTAccess, want) {
		t.Errorf("got %+v\nwant %+v", l.RESTAccess, want)
	}
	if want := (Ctl{TLS: TLS{"/me.pem", "/me.key", ""}, Insecure: true, CAFile: "/ca2.pem", Username: "u", Password: "p"}); l.Ctl != want {
		t.Errorf("got %+v\nwant %+v", l.Ctl, want)
	}
}

func TestRESTAccessFindings(t *testing.T) {
	for section, want := range map[string]string{
		"verify_client: maybe":                                      "must be none, optional or required",
		"verify_client: required":                                   "has no effect without restapi.certfile",
		"keyfile: /k":                                               "needs restapi.certfile",
		"allowlist: [192.0.2.0/33]":                                 "must be networks",
		"allowlist_include_members: perhaps":                        "must be true or false",
		`http_extra_headers: {"X A": 1}`:                            "is not a header",
		`http_extra_headers: {"X-A": "b\nc"}`:                       "is not a header",
		"max_connections_per_address: -1":                           "must be a whole number",
		"identities: {name: x}":                                     "must be a list of identities",
		"identities: [{role: admin, token: x}]":                     "needs a name",
		"identities: [{name: x, role: god, token: x}]":              "must be viewer, operator or admin",
		"identities: [{name: x, role: admin}]":                      "needs a certificate",
		"agent_check: {listen: nowhere}":                            "must be host:port",
		"agent_check: {listen: '127.0.0.1:1', max_lag: none}":       "must be a whole number, at least 1 bytes",
		"server_tokens: some":                                       "must be original, productonly or minimal",
		"identities: [{name: x, role: admin, token_sha256: 'abc'}]": "needs a certificate",
	} {
		_, findings := loadREST(t, "restapi:\n  listen: 127.0.0.1:8008\n  "+section+"\n")
		var all strings.Builder
		for _, f := range findings {
			all.WriteString(f.String() + "\n")
		}
		if !strings.Contains(all.String(), want) {
			t.Errorf("%s: got %s, want %q", section, all.String(), want)
		}
	}
}
