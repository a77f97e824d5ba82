package lab

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/postgres/pgtest"
)

// The roles that every lab cluster has.
const (
	superuser = "postgres"
	superPass = "s3cret: 'x'" // with characters that need quoting
)

// Node is one member: an agent process and its PostgreSQL.
type Node struct {
	Name     string
	RESTPort int
	SQLPort  int
	DataDir  string
	Config   string
	LogFile  string

	lab     *Lab
	host    string // its IP address
	program string
	cmd     *exec.Cmd
	process *os.Process
	exited  chan struct{}
	started bool
}

func (l *Lab) newNode(name string, o Options) *Node {
	base := filepath.Join(l.dir, name)
	n := &Node{
		Name: name, lab: l, host: l.hosts().Address(name), program: o.Program, RESTPort: FreePort(l.T), SQLPort: FreePort(l.T),
		DataDir: filepath.Join(base, "data"), Config: filepath.Join(l.dir, name+".yml"), LogFile: filepath.Join(l.dir, name+".log"),
	}
	if err := os.MkdirAll(base, 0o700); err != nil {
		l.T.Fatal(err)
	}
	if c := l.cred.Credential; c != nil {
		if err := os.Chown(base, int(c.Uid), int(c.Gid)); err != nil {
			l.T.Fatal(err)
		}
	}
	extra := ""
	if o.Node != nil {
		extra = o.Node(name)
	}
	n.WriteConfig(o.DCS, extra)
	return n
}

// WriteConfig writes the node's file; dcs is YAML under bootstrap.dcs.
func (n *Node) WriteConfig(dcs, extra string) {
	text := fmt.Sprintf(`scope: %s
name: %s
restapi:
  listen: %s:%d
  connect_address: %s:%d
zookeeper:
  hosts: ['%s']
bootstrap:
  dcs:
%s
  initdb:
  - encoding: UTF8
  - data-checksums
  - no-sync
postgresql:
  basebackup:
  - no-sync
  listen: %s:%d
  connect_address: %s:%d
  data_dir: %s
  bin_dir: %s
  pgpass: %s
  authentication:
    superuser: {username: %s, password: "%s"}
    replication: {username: replicator, password: repl}
    rewind: {username: rewinder, password: rew}
  parameters:
    unix_socket_directories: %s
    fsync: 'off'
    log_min_messages: log
    log_line_prefix: '%%m [%%p] '
    log_checkpoints: 'off'
  pg_hba:
%s
%s
`, n.lab.scope, n.Name, n.host, n.RESTPort, n.host, n.RESTPort, strings.Join(n.lab.stores, "','"), indent(dcs, "    "),
		n.host, n.SQLPort, n.host, n.SQLPort, n.DataDir, BinDir(),
		filepath.Join(filepath.Dir(n.DataDir), "pgpass"), superuser, superPass, filepath.Dir(n.DataDir), n.lab.pgHBA(), extra)
	if rest := n.lab.rest; rest != "" {
		text = strings.Replace(text, "restapi:\n", "restapi:\n"+indent(rest, "  ")+"\n", 1)
	}
	if err := os.WriteFile(n.Config, []byte(text), 0o644); err != nil {
		n.lab.T.Fatal(err)
	}
}

// pgHBA are the lines of pg_hba.conf as a YAML list.
func (l *Lab) pgHBA() string {
	lines := append([]string{"local all all trust"}, l.hba...)
	lines = append(lines, "host all all 127.0.0.1/32 scram-sha-256", "host replication all 127.0.0.1/32 scram-sha-256")
	return "  - " + strings.Join(lines, "\n  - ")
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+by)
}

// Start starts the agent.
func (n *Node) Start() {
	n.lab.T.Helper()
	path := n.program
	if path == "" {
		var err error
		if path, err = Binary(); err != nil {
			n.lab.T.Fatal(err)
		}
	}
	log, err := os.OpenFile(n.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		n.lab.T.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(path, n.Config)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = "/", log, log, n.lab.cred
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + n.lab.dir, "LANG=C.UTF-8"}
	if err := n.lab.hosts().Start(n.Name, cmd); err != nil {
		n.lab.T.Fatalf("start agent %s: %v", n.Name, err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the exit code is read from ProcessState
		close(exited)
	}()
	n.cmd, n.process, n.exited, n.started = cmd, cmd.Process, exited, true
}

// Pid is the agent's.
func (n *Node) Pid() int { return n.process.Pid }

// Signal sends a signal to the agent.
func (n *Node) Signal(s syscall.Signal) { _ = n.process.Signal(s) }

// WaitExit waits for the agent to end and returns its exit code. As in Wait,
// limit is of an idle machine.
func (n *Node) WaitExit(limit time.Duration) int {
	n.lab.T.Helper()
	limit *= patience
	select {
	case <-n.exited:
		n.started = false
		return n.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		n.Signal(syscall.SIGQUIT) // tells where it hangs
		<-n.exited
		n.lab.T.Errorf("agent %s still runs after %v", n.Name, limit)
		n.dumpLog()
	}
	return -1
}

// KillAgent sends SIGKILL to the agent alone.
func (n *Node) KillAgent() {
	n.Signal(syscall.SIGKILL)
	<-n.exited
	n.started = false
}

// Postmaster is the pid in postmaster.pid, 0 if there is none.
func (n *Node) Postmaster() int {
	text, err := os.ReadFile(filepath.Join(n.DataDir, "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(first)
	return pid
}

// KillAll kills the agent, its fence and every PostgreSQL process of the node,
// as a crash of the host would.
func (n *Node) KillAll() {
	if n.started {
		n.Signal(syscall.SIGKILL)
	}
	for range 100 {
		pids := append(n.pidsIn(n.StateDir()), n.pidsIn(n.DataDir)...)
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if len(pids) == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond) // until the kernel has reaped them
	}
	if n.started {
		<-n.exited
		n.started = false
	}
}

// bury ends the node for good.
func (n *Node) bury() {
	n.KillAll()
	pgtest.ReleaseShared(n.DataDir)
}

// StateDir is where the agent keeps what survives it, and its fence works.
func (n *Node) StateDir() string {
	return filepath.Join(filepath.Dir(n.DataDir), ".pgregent-"+n.Name)
}

// Fences are the pids of the node's fence processes; none if none runs.
func (n *Node) Fences() []int {
	var pids []int
	for _, pid := range n.pidsIn(n.StateDir()) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && slices.Contains(strings.Split(string(text), "\x00"), "fence") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Servers are the pids of the node's PostgreSQL processes; dead ones that
// nobody has waited for yet do not count.
func (n *Node) Servers() []int { return n.pidsIn(n.DataDir) }

// pidsIn are the processes whose working directory is dir.
func (n *Node) pidsIn(dir string) []int {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	var pids []int
	for _, link := range links {
		if at, err := os.Readlink(link); err == nil && at == dir {
			pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// DSN connects to this node as superuser.
func (n *Node) DSN() string { return dsn(n) + " target_session_attrs=any" }

// dsn is a connection string over the given nodes.
func dsn(nodes ...*Node) string {
	var hosts, ports []string
	for _, n := range nodes {
		hosts, ports = append(hosts, n.host), append(ports, strconv.Itoa(n.SQLPort))
	}
	password := superPass
	if own := nodes[0].lab.password; own != "" {
		password = own
	}
	pass := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(password)
	return fmt.Sprintf("host=%s port=%s user=%s password='%s' dbname=postgres sslmode=disable connect_timeout=2",
		strings.Join(hosts, ","), strings.Join(ports, ","), superuser, pass)
}

// Query runs one statement on the node and returns the first column of the
// first row as text.
func (n *Node) Query(query string) (string, error) {
	db, err := n.Open("")
	if err != nil {
		return "", err
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var out sql.NullString
	err = db.QueryRowContext(ctx, query).Scan(&out)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return out.String, err
}

// MustExec runs statements and fails the test if they fail.
func (n *Node) MustExec(statements string) {
	n.lab.T.Helper()
	db, err := n.Open("")
	if err != nil {
		n.lab.T.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(statements); err != nil {
		n.lab.T.Fatalf("%s: %s: %v", n.Name, statements, err)
	}
}

// The limits of a request to an agent.
const (
	callLimit = 60 * time.Second
	getLimit  = 5 * time.Second
)

// URL is the address of the node's REST API.
func (n *Node) URL(path string) string {
	scheme := "http"
	if n.lab.tls != nil {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s:%d%s", scheme, n.host, n.RESTPort, path)
}

// Call sends a request and returns code and body.
func (n *Node) Call(method, path, body string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	if method == http.MethodGet { // a frozen agent accepts and never answers
		ctx, cancel = context.WithTimeout(ctx, getLimit)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, method, n.URL(path), bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, "", err
	}
	resp, err := n.lab.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// GetJSON reads an object.
func (n *Node) GetJSON(path string) (*cluster.Object, error) {
	_, text, err := n.Call(http.MethodGet, path, "")
	if err != nil {
		return nil, err
	}
	return cluster.ParseObject([]byte(text))
}

// Log is the agent's output so far.
func (n *Node) Log() string {
	text, _ := os.ReadFile(n.LogFile)
	return string(text)
}

func (n *Node) dumpLog() {
	lines := strings.Split(n.Log(), "\n")
	n.lab.T.Logf("---- log of %s (%d lines, the last 400)\n%s", n.Name, len(lines), strings.Join(lines[max(0, len(lines)-400):], "\n"))
}
