package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/record"
)

// Case 5: the primary is cut off from ZooKeeper, in both directions (and, in
// a nightly run, in each alone), from the other nodes, or from all. The
// writers reach every node all the time.
func TestPrimaryCutOff(t *testing.T) {
	b := newBed(t, options{dcs: fast, hosts: true})
	for _, c := range []struct {
		what               string
		ask, answer, peers bool         // what does not pass
		rare               bool         // only in a nightly run
		cause              record.Cause // that the record has to name; "" if there is no change
	}{
		{"cut off from ZooKeeper", true, true, false, false, record.CauseStoreCut},
		{"not heard by ZooKeeper", true, false, false, true, record.CauseStoreCut},
		{"not answered by ZooKeeper", false, true, false, true, record.CauseStoreCut},
		{"cut off from its peers", false, false, true, false, ""},
		{"cut off from both", true, true, true, false, record.CauseNetworkCut},
	} {
		if c.rare && !nightly() {
			continue
		}
		b.settle()
		if c.ask {
			b.net.Cut(b.leader.Name, "zk1")
		}
		if c.answer {
			b.net.Cut("zk1", b.leader.Name)
		}
		if c.peers {
			b.cutPeers()
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
		b.named(c.what, c.cause)
	}
}

// named waits until the record names the cause of the newest change.
func (b *bed) named(what string, cause record.Cause) {
	b.t.Helper()
	b.Wait(30*time.Second, what+": the record names "+string(cause), func() string {
		code, text, err := b.Leader().Call(http.MethodGet, "/failovers", "")
		var list struct{ Failovers []record.Story }
		if err != nil || code != http.StatusOK || json.Unmarshal([]byte(text), &list) != nil || len(list.Failovers) == 0 {
			return fmt.Sprintf("%d %v %s", code, err, text)
		}
		if s := list.Failovers[0]; s.Cause != cause || s.Guess {
			return fmt.Sprintf("it says %q (guess %v): %s", s.Cause, s.Guess, s.Reason)
		}
		return ""
	})
}

// cutPeers cuts the primary off from the other nodes.
func (b *bed) cutPeers() {
	b.t.Helper()
	for _, n := range b.Nodes {
		if n != b.leader {
			b.net.Cut(b.leader.Name, n.Name)
			b.net.Cut(n.Name, b.leader.Name)
		}
	}
}

// Case 5 in failsafe mode: as long as all peers answer, the primary may go on
// without ZooKeeper, though they have it and could elect another.
func TestPrimaryCutOffInFailsafeMode(t *testing.T) {
	b := newBed(t, options{dcs: "failsafe_mode: true\n" + fast, hosts: true})
	b.net.Cut(b.leader.Name, "zk1")
	b.net.Cut("zk1", b.leader.Name)
	b.hold(long(3*fastTTL, 45*time.Second))
	b.net.Heal()
	r := b.recovered("cut off from ZooKeeper, failsafe mode")
	if len(r.LostAround) > 0 {
		t.Errorf("%d acknowledged rows are missing though no node died", len(r.LostAround))
	}
	t.Logf("%s led before, %s leads now", b.leader.Name, b.Leader().Name)

	b.settle()
	b.net.Cut(b.leader.Name, "zk1")
	b.net.Cut("zk1", b.leader.Name)
	b.cutPeers()
	took := b.awaitSuccessor(6 * fastTTL)
	b.hold(2 * time.Second)
	b.net.Heal()
	b.recovered("cut off from both, failsafe mode")
	t.Logf("another primary after %v", took.Round(time.Millisecond))
	isStandby(t, b.leader)
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
