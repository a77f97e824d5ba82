package e2e

import (
	"bufio"
	"database/sql"
	"encoding/csv"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/lib/pq"

	"github.com/pgregent/pgregent/test/lab"
)

// balancer is HAProxy with one of the shipped configurations.
type balancer struct {
	l                   *lab.Lab
	readWrite, readOnly int
	socket              string
}

// balance runs HAProxy in front of the cluster until the test ends.
func balance(t *testing.T, l *lab.Lab, file string, agents map[string]int) *balancer {
	t.Helper()
	binary, err := exec.LookPath("haproxy")
	if err != nil {
		binary = "/usr/sbin/haproxy"
	}
	dir, err := os.MkdirTemp("", "hap") // short: a socket path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{l: l, readWrite: lab.FreePort(t), readOnly: lab.FreePort(t), socket: filepath.Join(dir, "s")}
	extra := filepath.Join(dir, "extra.cfg")
	if err := os.WriteFile(extra, []byte("global\n    stats socket "+b.socket+" mode 600\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-db", "-f", filepath.Join("../../packaging/haproxy", file), "-f", extra)
	cmd.Env = append(os.Environ(), fmt.Sprintf("PG_READ_WRITE=127.0.0.1:%d", b.readWrite), fmt.Sprintf("PG_READ_ONLY=127.0.0.1:%d", b.readOnly))
	for i, n := range l.Nodes {
		cmd.Env = append(cmd.Env, fmt.Sprintf("NODE%d_SQL=127.0.0.1:%d", i+1, n.SQLPort),
			fmt.Sprintf("NODE%d_REST=%d", i+1, n.RESTPort), fmt.Sprintf("NODE%d_AGENT=%d", i+1, agents[n.Name]))
	}
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
		if t.Failed() {
			t.Logf("%s: %s", file, log.String())
		}
		_ = os.RemoveAll(dir)
	})
	return b
}

// leadsTo waits until new sessions on a port are those of a wanted node, and
// returns how long that took.
func (b *balancer) leadsTo(limit time.Duration, port int, what string, wanted func(*lab.Node) bool) time.Duration {
	b.l.T.Helper()
	from := time.Now()
	n := b.l.Nodes[0]
	dsn := strings.Replace(n.DSN(), "port="+strconv.Itoa(n.SQLPort), "port="+strconv.Itoa(port), 1)
	b.l.Wait(limit, what, func() string {
		db, err := sql.Open("postgres", dsn)
		if err != nil {
			return err.Error()
		}
		defer func() { _ = db.Close() }()
		at := 0
		if err := db.QueryRow("SELECT current_setting('port')::int").Scan(&at); err != nil {
			return err.Error()
		}
		for _, n := range b.l.Nodes {
			if n.SQLPort == at && wanted(n) {
				return ""
			}
		}
		return fmt.Sprintf("it is the server of port %d", at)
	})
	return time.Since(from)
}

// stat is a column of "show stat" for a server, "" while it is not known.
func (b *balancer) stat(proxy, server, column string) string {
	conn, err := net.Dial("unix", b.socket)
	if err != nil {
		return ""
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("show stat\n")); err != nil {
		return ""
	}
	in := csv.NewReader(bufio.NewReader(conn))
	in.FieldsPerRecord = -1
	rows, _ := in.ReadAll()
	for _, row := range rows {
		if len(row) < 2 || row[0] != proxy || row[1] != server {
			continue
		}
		for i, name := range rows[0] {
			if name == column && i < len(row) {
				return row[i]
			}
		}
	}
	return ""
}

// TestHAProxyFollowsTheLeader: the shipped configurations through a
// switchover and the loss of the leader's host; weights by agent-check.
func TestHAProxyFollowsTheLeader(t *testing.T) {
	l := lab.New(t, lab.Options{DCS: fast, Lazy: true})
	agents := map[string]int{}
	texts := map[string]string{}
	for _, n := range l.Nodes {
		agents[n.Name] = lab.FreePort(t)
		text, err := os.ReadFile(n.Config)
		if err != nil {
			t.Fatal(err)
		}
		texts[n.Name] = strings.Replace(string(text), "restapi:\n", fmt.Sprintf("restapi:\n  agent_check: {listen: 127.0.0.1:%d, check: /replica}\n", agents[n.Name]), 1)
		if err := os.WriteFile(n.Config, []byte(texts[n.Name]), 0o644); err != nil {
			t.Fatal(err)
		}
		n.Start()
	}
	leader := l.WaitHealthy(60 * time.Second)
	plain := balance(t, l, "haproxy.cfg", nil)
	weighted := balance(t, l, "haproxy-weights.cfg", agents)
	is := func(want *lab.Node) func(*lab.Node) bool { return func(n *lab.Node) bool { return n == want } }
	isNot := func(other *lab.Node) func(*lab.Node) bool { return func(n *lab.Node) bool { return n != other } }
	plain.leadsTo(20*time.Second, plain.readWrite, "writes to reach the leader", is(leader))
	plain.leadsTo(20*time.Second, plain.readOnly, "reads to reach a standby", isNot(leader))
	weighted.leadsTo(20*time.Second, weighted.readOnly, "reads to reach a standby by weight", isNot(leader))

	server := func(n *lab.Node) string {
		for i, m := range l.Nodes {
			if m == n {
				return fmt.Sprintf("node%d", i+1)
			}
		}
		return ""
	}
	shows := func(n *lab.Node, column, want string) {
		t.Helper()
		l.Wait(20*time.Second, n.Name+": "+column+" "+want, func() string {
			if got := weighted.stat("replicas", server(n), column); !strings.HasPrefix(got, want) {
				return "got " + got
			}
			return ""
		})
	}
	standby := l.Standbys()[0]
	shows(standby, "agent_status", "L7OK")
	shows(standby, "weight", "100")
	shows(leader, "status", "DOWN")

	t.Log("a standby is tagged noloadbalance, and not any more")
	for _, step := range []struct{ tag, status string }{{"tags: {noloadbalance: true}\n", "DRAIN"}, {"", "UP"}} {
		if err := os.WriteFile(standby.Config, []byte(texts[standby.Name]+step.tag), 0o644); err != nil {
			t.Fatal(err)
		}
		post(t, standby, "/reload", "", 202)
		// The health check says 503 for the tag as well; both say so.
		want := step.status
		if want == "DRAIN" {
			l.Wait(20*time.Second, "drain or down", func() string {
				if got := weighted.stat("replicas", server(standby), "status"); got != "DRAIN" && !strings.HasPrefix(got, "DOWN") {
					return got
				}
				return ""
			})
			continue
		}
		shows(standby, "status", want)
	}

	t.Log("switchover")
	post(t, leader, "/switchover", fmt.Sprintf(`{"leader": %q}`, leader.Name), 200)
	old := leader
	took := plain.leadsTo(20*time.Second, plain.readWrite, "writes to reach the new leader", isNot(old))
	t.Logf("writes went to the new leader %v after the answer", took.Round(time.Millisecond))
	leader = l.WaitHealthy(60 * time.Second)
	plain.leadsTo(10*time.Second, plain.readWrite, "writes to reach the leader", is(leader))

	t.Log("the leader's host is lost")
	old = leader
	old.KillAll()
	took = plain.leadsTo(40*time.Second, plain.readWrite, "writes to reach the next leader", isNot(old))
	t.Logf("writes went to the next leader %v after the loss", took.Round(time.Millisecond))
}
