package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// mixedDCS has the least ttl that every release of Patroni accepts, and the
// least of the other two.
const mixedDCS = `ttl: 20
loop_wait: 1
retry_timeout: 3
postgresql:
  use_pg_rewind: true
  remove_data_directory_on_rewind_failure: true
  remove_data_directory_on_diverged_timelines: true
`

// expiry is how long the session of a killed agent lasts at most, with the
// server's rounding, and what the others need to notice and promote.
const expiry = 45 * time.Second

// mixed starts a cluster of three under load in which the named nodes have
// Patroni as their agent; the first node makes the cluster and leads.
func mixed(t *testing.T, o lab.Options, theirs ...string) *run {
	t.Helper()
	t.Parallel() // these tests mostly wait, for sessions to expire and for Patroni's pauses
	lab.Patroni(t)
	if _, err := lab.Binary(); err != nil { // not while a node is without agent
		t.Fatal(err)
	}
	o.Lazy = true
	l := lab.New(t, o)
	for _, n := range l.Nodes {
		if strings.Contains(strings.Join(theirs, " "), n.Name) {
			n.StartPatroni()
		} else {
			n.StartOurs()
		}
		if n == l.Nodes[0] {
			l.Wait(60*time.Second, "the first node to lead", func() string {
				if leader := l.Leader(); leader != n {
					return "it does not"
				}
				return ""
			})
		}
	}
	leader := l.WaitStreaming(90 * time.Second)
	l.CreateTable()
	r := &run{Lab: l, t: t, leader: leader, writer: l.NewWriter(1), probes: l.NewProbes()}
	r.settle()
	return r
}

// streams waits until writes go on and the cluster is whole again, under the
// named leader, and checks the promises.
func (r *run) streams(limit time.Duration, want string) {
	r.t.Helper()
	r.writer.AwaitMore(20, limit)
	leader := r.WaitStreaming(limit)
	if leader.Name != want {
		r.t.Fatalf("the leader is %s, want %s", leader.Name, want)
	}
	r.leader = leader
	r.t.Logf("%s leads; write gap %v", want, r.writer.Gap(r.from).Round(time.Millisecond))
	r.check(leader)
}

// mixedModes are the settings under which a mixed cluster must work.
func mixedModes() map[string]string {
	return map[string]string{"asynchronous": mixedDCS, "synchronous": mixedDCS + "synchronous_mode: true\n"}
}

// safe waits until the leader may be lost: in synchronous mode a standby must
// be named as one that may take over.
func (r *run) safe(mode string) {
	r.t.Helper()
	r.settle()
	if mode != "synchronous" {
		return
	}
	r.Wait(30*time.Second, "a synchronous standby", func() string {
		doc, err := r.leader.GetJSON("/cluster")
		if err != nil || !strings.Contains(doc.String(), `"sync_standby"`) {
			return fmt.Sprint(doc, err)
		}
		return ""
	})
}

func TestMixedFailover(t *testing.T) {
	for mode, dcs := range mixedModes() {
		t.Run(mode, func(t *testing.T) {
			// The third node follows whoever leads, and never leads itself.
			r := mixed(t, lab.Options{DCS: dcs, Node: func(name string) string {
				if name == "pg3" {
					return "tags:\n  nofailover: true\n  nosync: true\n"
				}
				return ""
			}}, "pg1")
			r.safe(mode)
			r.Node("pg1").KillAll()
			r.streams(expiry, "pg2")
			r.Node("pg1").StartPatroni() // a former primary of theirs under a leader of ours
			r.streams(expiry, "pg2")
			r.safe(mode)
			r.Node("pg2").KillAll()
			r.streams(expiry, "pg1")
			r.Node("pg2").StartOurs()
			r.streams(expiry, "pg1")
			if mode == "synchronous" {
				r.noneLost()
			}
		})
	}
}

func TestMixedSwitchover(t *testing.T) {
	r := mixed(t, lab.Options{DCS: mixedDCS}, "pg1")
	for i, by := range []string{"our API", "their API", "switchover", "switchover", "failover", "failover"} {
		from, to := r.leader, r.Node([]string{"pg2", "pg1"}[i%2])
		r.settle()
		switch by {
		case "our API", "their API":
			at := map[string]*lab.Node{"our API": r.Node("pg3"), "their API": r.Node("pg1")}[by]
			post(t, at, "/switchover", fmt.Sprintf(`{"leader": %q, "candidate": %q}`, from.Name, to.Name), 200)
		default:
			r.ctl("Successfully ", by, "--force", "--master", from.Name, "--candidate", to.Name)
		}
		r.streams(60*time.Second, to.Name)
		r.noneLost()
	}
	r.adoptKilled()
}
