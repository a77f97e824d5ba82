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

// Case 5: the primary is cut off from ZooKeeper, in both directions and in
// each alone, from the other nodes, or from all. The writers reach every node all the time.
func TestPrimaryCutOff(t *testing.T) {
	b := newBed(t, options{dcs: fast, hosts: true})
	for _, c := range []struct {
		what               string
		ask, answer, peers bool // what does not pass
	}{
		{"cut off from ZooKeeper", true, true, false},
		{"not heard by ZooKeeper", true, false, false},
		{"not answered by ZooKeeper", false, true, false},
		{"cut off from its peers", false, false, true},
		{"cut off from both", true, true, true},
	} {
		b.settle()
		if c.ask {
			b.net.Cut(b.leader.Name, "zk1")
		}
		if c.answer {
			b.net.Cut("zk1", b.leader.Name)
		}
		for _, n := range b.Nodes {
			if c.peers && n != b.leader {
				b.net.Cut(b.leader.Name, n.Name)
				b.net.Cut(n.Name, b.leader.Name)
			}
		}
		store, hold := c.ask || c.answer, fastTTL
		if store {
			hold = 2 * time.Second // after another primary was there
			took := b.awaitSuccessor(4 * fastTTL)
			t.Logf("%s: another primary after %v", c.what, took.Round(time.Millisecond))
		}
		b.hold(long(hold, fastTTL+15*time.Second))
		b.net.Heal()
		r := b.recovered(c.what)
		if !store {
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
	n.Cut("a", "b")
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
