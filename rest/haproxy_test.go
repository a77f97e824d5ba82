package rest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/lease"
)

// haproxyChecks are the ways in which HAProxy is told to check, in shipped
// templates and by hand.
var haproxyChecks = map[string]string{
	"plain":      "option httpchk",
	"head":       "option httpchk HEAD /primary\n  http-check expect status 200",
	"http11":     "option httpchk HEAD /primary HTTP/1.1",
	"send":       "option httpchk\n  http-check send meth GET uri /primary ver HTTP/1.1",
	"read_write": "option httpchk OPTIONS /read-write HTTP/1.0",
}

func TestHAProxy(t *testing.T) {
	binary, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skip("haproxy is not installed")
	}
	f := newFake(t)
	address := serve(t, Options{Backend: f})
	socket := startHAProxy(t, binary, address)
	want := func(state string) {
		t.Helper()
		for check := range haproxyChecks {
			eventually(t, func() bool { return strings.HasPrefix(haproxyState(socket, check), state) })
		}
	}
	want("UP")
	next := *f.node.Load()
	next.LeaseUntil = time.Duration(lease.Now()) // runs out now
	f.node.Store(&next)
	want("DOWN")
	held := next
	held.LeaseUntil = time.Duration(lease.Now().Add(time.Hour))
	f.node.Store(&held)
	want("UP")
}

// startHAProxy runs HAProxy with one backend for each check until the test
// ends, and returns its command socket.
func startHAProxy(t *testing.T, binary, address string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hap") // short: a socket path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	var conf strings.Builder
	fmt.Fprintf(&conf, "global\n  stats socket %s mode 600\n  maxconn 50\ndefaults\n  mode tcp\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n  timeout check 2s\n", socket)
	for name, option := range haproxyChecks {
		fmt.Fprintf(&conf, "backend %s\n  %s\n  server db1 %s check inter 100ms fall 2 rise 2\n", name, option, address)
	}
	file := filepath.Join(dir, "c")
	if err := os.WriteFile(file, []byte(conf.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, binary, "-db", "-f", file)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		stop()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if exit, ok := errors.AsType[*exec.ExitError](cmd.Wait()); !ok || exit.Exited() || t.Failed() {
			t.Logf("haproxy: %s", log.String())
		}
	})
	eventually(t, func() bool { return haproxyState(socket, "plain") != "" })
	return socket
}

// haproxyState is the status column of "show stat" for a backend's server,
// "" while it cannot be asked.
func haproxyState(socket, backend string) string {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return ""
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("show stat\n")); err != nil {
		return ""
	}
	const statusColumn = 17
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		columns := strings.Split(lines.Text(), ",")
		if len(columns) > statusColumn && columns[0] == backend && columns[1] == "db1" {
			return columns[statusColumn]
		}
	}
	return ""
}
