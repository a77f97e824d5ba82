package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Network is a set of hosts, each a network namespace with one address, and a
// router between them, which is a namespace too. Nothing of it is in the
// namespace of this process: clients enter the router's to open a connection.
//
// The router forwards packets, or discards those from one host to another
// without a word, as a broken cable or a packet filter does.
type Network struct {
	t      testing.TB
	prefix string // of the names of its namespaces
	hosts  []string
	cut    [][2]string // from, to
}

const (
	// namespaces of this package have this prefix and the pid of their test.
	namespacePrefix = "pgregent-"
	namespaceDir    = "/run/netns"
	router          = "router"
	routerAddress   = "10.77.0.254"
	// subnet is of all hosts; it exists in the private namespaces alone.
	subnet = "10.77.0.0/24"
)

// NewNetwork makes a network that is removed when the test ends. It skips the
// test where network namespaces cannot be made.
func NewNetwork(t testing.TB, hosts ...string) *Network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root: cuts between hosts are not tested")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("network namespaces need iproute2 (test/deps/install.sh installs it): cuts between hosts are not tested")
	}
	removeLeft(t)
	n := &Network{t: t, prefix: namespacePrefix + strconv.Itoa(os.Getpid()) + "-", hosts: hosts}
	t.Cleanup(n.remove)
	if err := n.ip("netns", "add", n.prefix+router); err != nil {
		t.Skipf("network namespaces are not to be had here: cuts between hosts are not tested: %v", err)
	}
	if err := n.build(); err != nil {
		t.Fatal(err)
	}
	return n
}

// removeLeft removes namespaces of tests that were killed.
func removeLeft(t testing.TB) {
	found, _ := filepath.Glob(filepath.Join(namespaceDir, namespacePrefix+"*"))
	for _, path := range found {
		name := filepath.Base(path)
		pid, err := strconv.Atoi(strings.Split(strings.TrimPrefix(name, namespacePrefix), "-")[0])
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			t.Logf("removing %s, left by a test that was killed", name)
			_ = exec.Command("ip", "netns", "del", name).Run()
		}
	}
}

func (n *Network) ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// build connects every host with the router by a pair of veth interfaces.
func (n *Network) build() error {
	hub := n.prefix + router
	steps := [][]string{
		{"-n", hub, "link", "set", "lo", "up"},
		{"-n", hub, "addr", "add", routerAddress + "/32", "dev", "lo"},
	}
	for i, host := range n.hosts {
		own, link, address := n.prefix+host, "v"+strconv.Itoa(i+1), n.Address(host)
		steps = append(steps, [][]string{
			{"netns", "add", own},
			{"-n", own, "link", "set", "lo", "up"},
			{"-n", hub, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", own},
			{"-n", hub, "link", "set", link, "up"},
			{"-n", hub, "route", "add", address + "/32", "dev", link, "src", routerAddress},
			{"-n", own, "addr", "add", address + "/32", "dev", "eth0"},
			{"-n", own, "link", "set", "eth0", "up"},
			{"-n", own, "route", "add", routerAddress, "dev", "eth0"},
			{"-n", own, "route", "add", "default", "via", routerAddress},
		}...)
	}
	for _, step := range steps {
		if err := n.ip(step...); err != nil {
			return err
		}
	}
	return n.inside(router, func() error {
		return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
	})
}

// remove removes the namespaces, and their interfaces with them.
func (n *Network) remove() {
	for _, name := range append([]string{router}, n.hosts...) {
		if _, err := os.Stat(filepath.Join(namespaceDir, n.prefix+name)); err == nil {
			if err := n.ip("netns", "del", n.prefix+name); err != nil {
				n.t.Errorf("remove the network: %v", err)
			}
		}
	}
}

// Address is a host's: 10.77.0.1 for the first, and so on.
func (n *Network) Address(host string) string {
	for i, name := range n.hosts {
		if name == host {
			return "10.77.0." + strconv.Itoa(i+1)
		}
	}
	n.t.Fatalf("no host %s", host)
	return ""
}

// Start starts a process on a host.
func (n *Network) Start(host string, cmd *exec.Cmd) error { return n.inside(host, cmd.Start) }

// DialContext connects from the router, which nothing cuts off.
func (n *Network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	// Dialer would connect in a goroutine of its own when several addresses
	// are tried; with one address the socket is made in this thread.
	var conn net.Conn
	err := n.inside(router, func() (err error) {
		conn, err = (&net.Dialer{FallbackDelay: -1}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Cut discards all packets from one host to another until Heal.
func (n *Network) Cut(from, to string) {
	n.t.Helper()
	way := [2]string{from, to}
	if err := n.rule("add", way); err != nil {
		n.t.Fatal(err)
	}
	n.cut = append(n.cut, way)
}

// Heal ends all cuts.
func (n *Network) Heal() {
	n.t.Helper()
	for _, way := range n.cut {
		if err := n.rule("del", way); err != nil {
			n.t.Fatal(err)
		}
	}
	n.cut = nil
}

// rule adds or deletes a routing rule of the router that discards packets.
func (n *Network) rule(verb string, way [2]string) error {
	return n.ip("-n", n.prefix+router, "rule", verb, "from", n.Address(way[0]), "to", n.Address(way[1]), "blackhole")
}

// inside calls f in a thread that is in a host's namespace. What f makes,
// sockets and processes, stays there.
func (n *Network) inside(host string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			done <- fmt.Errorf("open own namespace: %w", err)
			return // with the thread still locked, which ends it
		}
		defer func() { _ = home.Close() }()
		there, err := os.Open(filepath.Join(namespaceDir, n.prefix+host))
		if err != nil {
			done <- fmt.Errorf("open namespace of %s: %w", host, err)
			return
		}
		defer func() { _ = there.Close() }()
		if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter namespace of %s: %w", host, err)
			return
		}
		err = f()
		if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back == nil {
			runtime.UnlockOSThread() // else the thread ends with the goroutine
		}
		done <- err
	}()
	return <-done
}
