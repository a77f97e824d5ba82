package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

// Names and passwords of the demonstration.
const (
	scope    = "demo"
	password = "demo"
)

// nodeTemplate is the configuration of one member, in Patroni's keys.
var nodeTemplate = template.Must(template.New("node").Parse(`scope: {{.Scope}}
name: {{.Node.Name}}
restapi:
  listen: {{.RESTAddress}}
zookeeper:
  hosts: {{.ZooKeeper}}
bootstrap:
  dcs:
    ttl: 30
    loop_wait: 10
    retry_timeout: 10
    postgresql:
      use_pg_rewind: true
      use_slots: true
  initdb:
    - encoding: UTF8
    - locale: C
    - data-checksums
postgresql:
  listen: {{.Node.SQL}}
  data_dir: {{.Node.DataDir}}
  pgpass: {{.Dir}}/pgpass
  use_pg_rewind: true
  authentication:
    superuser: {username: postgres, password: {{.Password}}}
    replication: {username: replicator, password: {{.Password}}}
    rewind: {username: rewinder, password: {{.Password}}}
  pg_hba:
    - host replication replicator 127.0.0.1/32 scram-sha-256
    - host all all 127.0.0.1/32 scram-sha-256
  parameters:
    password_encryption: scram-sha-256
    shared_buffers: 32MB
    unix_socket_directories: ''
`))

// writeNode writes the configuration of one member.
func (d *demo) writeNode(s *state, n node) error {
	var b strings.Builder
	err := nodeTemplate.Execute(&b, map[string]any{
		"Scope": s.Scope, "Node": n, "RESTAddress": strings.TrimPrefix(n.REST, "http://"),
		"ZooKeeper": s.ZooKeeper.Address, "Password": s.Superuser.Password, "Dir": filepath.Dir(n.Config),
	})
	if err != nil {
		return fmt.Errorf("write configuration of %s: %w", n.Name, err)
	}
	return d.write(n.Config, b.String(), 0o600)
}

// writeZooKeeper writes zoo.cfg.
func (d *demo) writeZooKeeper(s *state, dir string) error {
	_, port, err := net.SplitHostPort(s.ZooKeeper.Address)
	if err != nil {
		return fmt.Errorf("parse ZooKeeper address: %w", err)
	}
	return d.write(filepath.Join(dir, "zoo.cfg"), strings.Join([]string{
		"tickTime=2000", "dataDir=" + filepath.Join(dir, "data"), "clientPort=" + port,
		"clientPortAddress=127.0.0.1", "admin.enableServer=false", "4lw.commands.whitelist=srvr,mntr", "",
	}, "\n"), 0o644)
}

// writePatronictl writes what patronictl needs to know.
func (d *demo) writePatronictl(s *state) error {
	text := "scope: " + s.Scope + "\nzookeeper:\n  hosts: " + s.ZooKeeper.Address + "\n"
	return d.write(filepath.Join(d.dir, "patronictl.yml"), text, 0o644)
}

func (d *demo) write(path, text string, mode os.FileMode) error {
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	return d.account.own(path)
}

// haproxyEnv is the environment of packaging/haproxy/haproxy.cfg.
func haproxyEnv(s *state) ([]string, error) {
	env := []string{
		"PG_READ_WRITE=127.0.0.1:" + strconv.Itoa(s.HAProxy.ReadWrite),
		"PG_READ_ONLY=127.0.0.1:" + strconv.Itoa(s.HAProxy.ReadOnly),
	}
	for i, n := range s.Nodes {
		_, port, err := net.SplitHostPort(strings.TrimPrefix(n.REST, "http://"))
		if err != nil {
			return nil, fmt.Errorf("parse REST address: %w", err)
		}
		env = append(env, fmt.Sprintf("NODE%d_SQL=%s", i+1, n.SQL), fmt.Sprintf("NODE%d_REST=%s", i+1, port))
	}
	return env, nil
}

// freePorts finds a free port on 127.0.0.1 at or above each of from. They
// lie below the range from which the kernel takes ports for connections, so
// they stay free until they are used.
func freePorts(from ...int) ([]int, error) {
	var ports []int
	for _, port := range from {
		for limit := port + 500; ; port++ {
			if port == limit {
				return nil, fmt.Errorf("find free port: all from %d on are in use", port-500)
			}
			if !slices.Contains(ports, port) && free(port) {
				break
			}
		}
		ports = append(ports, port)
	}
	return ports, nil
}

func free(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	_ = l.Close() // nothing was sent or received
	return true
}
