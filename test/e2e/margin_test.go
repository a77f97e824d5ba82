package e2e

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// marginFor is how long the lease is watched without faults, and in each.
const marginFor = 3 * time.Second

// Whatever a plugin does, the leader's lease has as much time left as without.
func TestLeaseMarginUnderPluginFaults(t *testing.T) {
	t.Parallel()
	dir := scripts(t, nil)
	program := filepath.Join(dir, "bin", "bad")
	installSelf(t, program)
	l := lab.New(t, lab.Options{Nodes: 2, DCS: strings.Replace(fast, "ttl: 5", "ttl: 10", 1), Node: func(name string) string {
		own := filepath.Join(dir, name)
		if err := os.Mkdir(own, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(own, 0o777); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("  create_replica_methods: [bad, basebackup]\nplugins:\n  bad: {path: %s, args: [%s], start_timeout: 2s}\n", program, own)
	}})
	l.CreateTable()
	w := l.NewWriter(1)
	leader, standby := l.Leader(), l.Standbys()[0]
	postmaster := leader.Postmaster()
	quiet, renewed := margin(t, leader, func() {})
	t.Logf("without faults: at least %.3f s left, %.0f renewals", quiet, renewed)
	if quiet <= 0 {
		t.Fatal("the leader has no lease")
	}
	for _, f := range []struct {
		habit string
		on    *lab.Node
		path  string
		body  string
	}{
		{"crash", leader, "/reload", ""},
		{"flood", leader, "/reload", ""},
		{"garbage", leader, "/reload", ""},
		{"hang", leader, "/reload", ""},
		{"stubborn", standby, "/reinitialize", `{"force": true}`},
	} {
		own := filepath.Join(dir, f.on.Name)
		if err := os.WriteFile(filepath.Join(own, "habit"), []byte(f.habit), 0o644); err != nil {
			t.Fatal(err)
		}
		again := f.habit != "stubborn" // a request that begins anew each time
		post := func() string {
			if code, text, err := f.on.Call("POST", f.path, f.body); err != nil || code >= 400 {
				return fmt.Sprint(code, text, err)
			}
			return ""
		}
		least, renewed := margin(t, leader, func() {
			why := post()
			l.Wait(30*time.Second, "the fault "+f.habit, func() string {
				if again {
					why = post()
				}
				text, _ := os.ReadFile(filepath.Join(own, "did"))
				if !strings.Contains(string(text), f.habit+"\n") {
					return why + " not yet: " + string(text)
				}
				return ""
			})
		})
		t.Logf("%-9s at least %.3f s left, %.0f renewals", f.habit+":", least, renewed)
		if least < quiet/2 { // it would be less than nothing if a plugin were waited for
			t.Errorf("%s: %.3f s were left of the lease, %.3f without faults", f.habit, least, quiet)
		}
	}
	if err := os.Remove(filepath.Join(dir, standby.Name, "habit")); err != nil {
		t.Fatal(err)
	}
	post(t, standby, "/reinitialize", `{"force": true}`, 200) // which ends the one that does not end
	l.WaitHealthy(60 * time.Second)
	w.AwaitMore(10, 20*time.Second)
	if leader.Postmaster() != postmaster || l.Leader() != leader {
		t.Error("the leader or its PostgreSQL is another one")
	}
	for _, want := range []string{"plugin ended; starting it again", "Unrecognized remote plugin message: Hello, I am not a plugin at all"} {
		if !strings.Contains(leader.Log(), want) {
			t.Errorf("the leader's log does not say %q", want)
		}
	}
}

// installSelf copies this test program to where an agent trusts it.
func installSelf(t *testing.T, path string) {
	t.Helper()
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	// The directory of the scripts is open to all; the agent trusts neither it
	// nor what is below. The sticky bit keeps others from replacing this.
	if err := os.Chmod(filepath.Dir(filepath.Dir(path)), 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
}

// margin is the least that a leader's lease had left, in seconds, from when f
// begins until marginFor after its end, and how often it was renewed.
func margin(t *testing.T, n *lab.Node, f func()) (least, renewed float64) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	least, first := math.Inf(1), -1.0
	go func() {
		defer close(done)
		for tick := time.NewTicker(25 * time.Millisecond); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			_, text, err := n.Call("GET", "/metrics", "")
			if err != nil {
				t.Errorf("metrics: %v", err)
				continue
			}
			least = min(least, gauge(t, text, "pgregent_lease_remaining_seconds"))
			renewed = gauge(t, text, "pgregent_lease_renewals_total")
			if first < 0 {
				first = renewed
			}
		}
	}()
	defer func() { // also if f has failed
		close(stop)
		<-done
		renewed -= first
	}()
	f()
	<-time.After(marginFor) // what the fault does takes time
	return                  // what the deferred call has
}

// gauge is the value of a metric without regard to its labels.
func gauge(t *testing.T, text, name string) float64 {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + name + `(?:\{[^}]*\})? (\S+)$`).FindStringSubmatch(text)
	if found == nil {
		t.Errorf("there is no metric %s", name)
		return math.NaN()
	}
	v, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Error(err)
	}
	return v
}
