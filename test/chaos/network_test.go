package chaos

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Case 5: the primary is cut off from ZooKeeper, from the other nodes, or
// from both. The writers reach every node all the time.
func TestPrimaryCutOff(t *testing.T) {
	b := newBed(t, options{dcs: fast, hosts: true})
	for _, c := range []struct {
		what         string
		store, peers bool
	}{
		{"cut off from ZooKeeper", true, false},
		{"cut off from its peers", false, true},
		{"cut off from both", true, true},
	} {
		b.settle()
		var others []string
		if c.store {
			others = append(others, "zk1")
		}
		for _, n := range b.Nodes {
			if c.peers && n != b.leader {
				others = append(others, n.Name)
			}
		}
		b.net.Cut([]string{b.leader.Name}, others)
		if c.store {
			took := b.awaitSuccessor(4 * fastTTL)
			t.Logf("%s: another primary after %v", c.what, took.Round(time.Millisecond))
		}
		b.hold(long(fastTTL, fastTTL+15*time.Second))
		b.net.Heal()
		r := b.recovered(c.what)
		if !c.store {
			steady(t, r)
			if b.Leader() != b.leader {
				t.Errorf("%s: %s leads, was %s, which ZooKeeper heard all the time", c.what, b.Leader().Name, b.leader.Name)
			}
			continue
		}
		isStandby(t, b.leader)
	}
}

func TestNetworkCutsAndHeals(t *testing.T) {
	n := NewNetwork(t, "a", "b")
	// reach makes a connection attempt on host a; nothing listens on b, so an
	// answer is a refusal.
	reach := func() error {
		return n.inside("a", func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			c, err := (&net.Dialer{}).DialContext(ctx, "tcp", n.Address("b")+":9")
			if err == nil {
				_ = c.Close()
			}
			return err
		})
	}
	if err := reach(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("before: %v, want a refusal", err)
	}
	n.Cut([]string{"a"}, []string{"b"})
	if err := reach(); err == nil || errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("cut: %v, want silence", err)
	}
	n.Heal()
	if err := reach(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("healed: %v, want a refusal", err)
	}
	mine, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	cmd := exec.Command("readlink", "/proc/self/ns/net")
	cmd.Stdout = file
	if err := n.Start("a", cmd); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	theirs, err := os.ReadFile(file.Name())
	if err != nil || string(theirs) == mine+"\n" || len(theirs) == 0 {
		t.Errorf("the process runs in %s (%v), this one in %s", theirs, err, mine)
	}
}
