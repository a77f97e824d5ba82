package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// members is the number of nodes.
const members = 3

// startLimit bounds the time until the cluster is complete: one initdb and
// two base backups on a small machine take a fraction of it.
const startLimit = 3 * time.Minute

// zooKeeperLimit bounds the start of ZooKeeper's Java process.
const zooKeeperLimit = time.Minute

// demo is one demonstration below a repository.
type demo struct {
	root    string // the repository
	dir     string // its .demo
	out     io.Writer
	account account
}

// up starts everything that does not run and waits until the cluster is
// complete. If that fails it ends what it has started and keeps the logs.
func (d *demo) up(ctx context.Context) error {
	s, err := d.load()
	if err != nil {
		return err
	}
	if s != nil && s.running() {
		fmt.Fprintln(d.out, "The demonstration runs already; \"make demo-down\" ends it.")
		d.report(ctx, s)
		return nil
	}
	if d.account, err = runAs(); err != nil {
		return err
	}
	programs, err := d.programs()
	if err != nil {
		return err
	}
	if err := d.place(); err != nil {
		return err
	}
	if s, err = d.prepare(); err != nil {
		return err
	}
	if programs.agent, err = d.copyAgent(programs.agent); err != nil {
		return err
	}
	if err := d.launch(ctx, s, programs); err != nil {
		d.stop(s)
		return fmt.Errorf("%w\n(the logs are in %s)", err, filepath.Join(d.dir, "log"))
	}
	d.report(ctx, s)
	return nil
}

// programs are the paths of what is started.
type programs struct{ agent, java, haproxy, classPath string }

// programs finds them; the error names all that are missing.
func (d *demo) programs() (programs, error) {
	p := programs{agent: filepath.Join(d.root, "bin", "pgregent")}
	var missing []string
	if _, err := os.Stat(p.agent); err != nil {
		missing = append(missing, "bin/pgregent (make build)")
	}
	var err error
	if p.java, err = exec.LookPath("java"); err != nil {
		missing = append(missing, "java (make deps)")
	}
	if p.haproxy, err = lookPath("haproxy", "/usr/sbin/haproxy"); err != nil {
		missing = append(missing, "haproxy (make deps)")
	}
	p.classPath = classPath()
	if p.classPath == "" {
		missing = append(missing, "ZooKeeper's jars (make deps, or set ZOOKEEPER_HOME)")
	}
	if len(missing) > 0 {
		return p, errors.New("not found: " + strings.Join(missing, ", "))
	}
	return p, nil
}

// copyAgent puts the agent where the account can run it: the repository may
// be in a directory that only its owner can enter.
func (d *demo) copyAgent(from string) (string, error) {
	text, err := os.ReadFile(from)
	if err != nil {
		return "", fmt.Errorf("read the agent: %w", err)
	}
	to := filepath.Join(d.dir, "bin", filepath.Base(from))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	if err := os.WriteFile(to, text, 0o755); err != nil {
		return "", fmt.Errorf("copy the agent: %w", err)
	}
	return to, nil
}

func lookPath(name, otherwise string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath(otherwise)
}

// classPath finds ZooKeeper: Debian's jars, or an unpacked release.
func classPath() string {
	if home := os.Getenv("ZOOKEEPER_HOME"); home != "" {
		return filepath.Join(home, "lib", "*") + ":" + filepath.Join(home, "*")
	}
	const jar = "/usr/share/java/zookeeper.jar"
	if _, err := os.Stat(jar); err != nil {
		return ""
	}
	return jar + ":/usr/share/java/slf4j-simple.jar"
}

// prepare makes an empty .demo and chooses the ports.
func (d *demo) prepare() (*state, error) {
	if err := os.RemoveAll(d.dir); err != nil {
		return nil, fmt.Errorf("remove old files: %w", err)
	}
	from := []int{12181, 15000, 15001}
	for i := range members {
		from = append(from, 15432+i, 18008+i)
	}
	ports, err := freePorts(from...)
	if err != nil {
		return nil, err
	}
	address := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
	s := &state{Scope: scope, Superuser: superuser{"postgres", password}}
	s.ZooKeeper.Address = address(ports[0])
	s.HAProxy.ReadWrite, s.HAProxy.ReadOnly = ports[1], ports[2]
	dirs := []string{d.dir, filepath.Join(d.dir, "log"), filepath.Join(d.dir, "zookeeper")}
	for i := range members {
		name := "node" + strconv.Itoa(i+1)
		dir := filepath.Join(d.dir, name)
		dirs = append(dirs, dir)
		s.Nodes = append(s.Nodes, node{
			Name: name, SQL: address(ports[3+2*i]), REST: "http://" + address(ports[4+2*i]),
			Config: filepath.Join(dir, "pgregent.yml"), DataDir: filepath.Join(dir, "data"),
		})
	}
	for _, dir := range dirs {
		if err := d.account.mkdir(dir); err != nil {
			return nil, err
		}
	}
	return s, d.account.checkAccess(d.dir)
}

// launch starts the processes in the order in which they need each other. The
// state is saved after each, so that down finds them if this is interrupted.
func (d *demo) launch(ctx context.Context, s *state, p programs) error {
	if err := d.startZooKeeper(ctx, s, p); err != nil {
		return err
	}
	for i := range s.Nodes {
		if err := d.startNode(s, &s.Nodes[i], p); err != nil {
			return err
		}
	}
	if err := d.startHAProxy(s, p); err != nil {
		return err
	}
	if err := d.writePatronictl(s); err != nil {
		return err
	}
	return d.waitComplete(ctx, s)
}

func (d *demo) startZooKeeper(ctx context.Context, s *state, p programs) (err error) {
	dir := filepath.Join(d.dir, "zookeeper")
	if err := d.writeZooKeeper(s, dir); err != nil {
		return err
	}
	s.ZooKeeper.process, err = d.start(command{name: "zookeeper", dir: dir, args: []string{
		p.java, "-Xmx256m", "-cp", dir + ":" + p.classPath,
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(dir, "zoo.cfg"),
	}})
	if err != nil {
		return err
	}
	if err := d.save(s); err != nil {
		return err
	}
	return d.wait(ctx, zooKeeperLimit, "ZooKeeper", func() (bool, error) {
		if !s.ZooKeeper.alive() {
			return false, d.ended("zookeeper")
		}
		return serving(s.ZooKeeper.Address), nil
	})
}

// serving asks ZooKeeper whether it serves.
func serving(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	if c.SetDeadline(time.Now().Add(time.Second)) != nil {
		return false
	}
	if _, err := io.WriteString(c, "srvr"); err != nil {
		return false
	}
	answer, err := io.ReadAll(c)
	return err == nil && strings.Contains(string(answer), "Mode:")
}

func (d *demo) startNode(s *state, n *node, p programs) (err error) {
	if err := d.writeNode(s, *n); err != nil {
		return err
	}
	n.process, err = d.start(command{name: n.Name, dir: filepath.Dir(n.Config), args: []string{p.agent, n.Config}})
	if err != nil {
		return err
	}
	return d.save(s)
}

func (d *demo) startHAProxy(s *state, p programs) error {
	env, err := haproxyEnv(s)
	if err != nil {
		return err
	}
	const config = "packaging/haproxy/haproxy.cfg"
	text, err := os.ReadFile(filepath.Join(d.root, config))
	if err != nil {
		return fmt.Errorf("read HAProxy configuration: %w", err)
	}
	// A copy, because the account may not be able to read the original.
	file := filepath.Join(d.dir, "haproxy.cfg")
	if err := d.write(file, string(text), 0o644); err != nil {
		return err
	}
	// -db: in the foreground, so that the process is the one started here.
	s.HAProxy.process, err = d.start(command{name: "haproxy", dir: d.dir, env: env, args: []string{p.haproxy, "-db", "-f", file}})
	if err != nil {
		return err
	}
	return d.save(s)
}
