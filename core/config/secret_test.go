package config

import (
	"strings"
	"testing"
)

// leaky has s3cret wherever a credential may stand.
const leaky = `scope: main
name: n1
restapi:
  listen: "127.0.0.1:8008"
  http_extra_headers: {X-Key: s3cret}
  https_extra_headers: {Authorization: Bearer s3cret}
  identities: [{name: a, role: viewer, token: s3cret}]
zookeeper: {hosts: "127.0.0.1"}
plugins:
  own:
    path: /opt/own
    args: [--token, s3cret, "-p", s3cret]
    environment: [KEY=s3cret]
    settings: {command: [get, s3cret], nested: {deep: {stanza: s3cret}}}
  webhook: {settings: {url: "https://hooks/s3cret", secret: s3cret, headers: {X: s3cret}, actions: [on_start]}}
  haproxy: {settings: {backend: pg, sockets: [/run/h], servers: [{name: a, password: s3cret}]}}
  exec: {settings: {command: "get s3cret", callback: "call s3cret", timeout: {password: s3cret}}}
  pgbackrest: {settings: {stanza: main, args: ["--repo1-cipher-pass", s3cret]}}
bootstrap:
  initdb: [{token: s3cret}, --secret, s3cret, data-checksums]
  dcs:
    postgresql:
      parameters: {ssl_passphrase_command: "echo s3cret", archive_command: "put --token s3cret %p"}
postgresql:
  listen: 127.0.0.1:5432
  data_dir: /data/n1
  parameters:
    ssl_passphrase_command: "echo not s3cret"
    archive_command: "put --access-key=s3cret %p"
    authentication_timeout: 30s
  pg_hba:
    - 'host all all 192.0.2.0/24 radius radiusservers=a radiussecrets=s3cret'
    - 'host all all 192.0.2.0/24 radius "radiussecrets=a s3cret"'
    - 'host all all 192.0.2.0/24 radius radiussecrets="""a"",""s3cret"""'
    - 'host all all 192.0.2.0/24 ldap "ldapbindpasswd=a s3cret"'
  authentication: {replication: {username: rep, password: s3cret}}
  own: {command: "get --passphrase s3cret", api-key: s3cret, access: {tokens: {token: {value: s3cret}}}}
tags: {zone: a, credentials: s3cret}
`

// What is shown of a configuration, in whole or as a change, has no secret, and
// still what is none.
func TestNothingSecretIsShown(t *testing.T) {
	l, _ := mustLoad(t, leaky)
	empty, _ := mustLoad(t, minimal)
	got := map[string]string{}
	for _, s := range l.Explain(Dynamic{Object: l.Bootstrap.DCS}) {
		got[s.Key] = s.Value
		if strings.Contains(s.Value+s.Note, "s3cret") {
			t.Errorf("%s is explained as %q, %q", s.Key, s.Value, s.Note)
		}
	}
	for _, c := range append(Changes(empty, l), Changes(l, empty)...) {
		if strings.Contains(c.From+c.To, "s3cret") {
			t.Errorf("a change of %s is told as %q to %q", c.Key, c.From, c.To)
		}
	}
	text := string(l.Print())
	if strings.Contains(text, "s3cret") {
		t.Errorf("printed:\n%s", text)
	}
	for _, plain := range []string{"/opt/own", "/run/h", "on_start", "stanza: main", "data-checksums", "zone: a", "radiusservers=a", "30s", "X-Key"} {
		if !strings.Contains(text, plain) {
			t.Errorf("%q is not shown", plain)
		}
	}
	if v := got["postgresql.parameters.archive_command"]; v != "put --access-key="+Mask+" %p" {
		t.Errorf("archive_command is %q", v)
	}
}
