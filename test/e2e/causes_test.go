package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/record"
	"github.com/pgregent/pgregent/test/lab"
)

// TestTheRecordNamesTheCause injects one kind of fault after another into one
// cluster and looks whether the record alone names it. It takes minutes.
func TestTheRecordNamesTheCause(t *testing.T) {
	only := os.Getenv("PGREGENT_CAUSES") // names, or all
	if only == "" {
		t.Skip("make causes runs it: it takes some minutes")
	}
	r, _ := traced(t, traceDCS)
	for _, tc := range []struct {
		name   string
		inject func(leader *lab.Node)
		kind   record.Kind
		cause  record.Cause
	}{
		{"postmaster kill", r.killPostmaster, record.Restart, record.CauseCrash},
		{"agent kill", r.killAgent, record.Failover, record.CauseAgentKilled},
		{"agent frozen", r.freezeAgent, record.Failover, record.CauseAgentFrozen},
		{"node kill", r.killNode, record.Failover, record.CauseNodeLost},
		{"switchover", func(n *lab.Node) { r.order(n, "/switchover", fmt.Sprintf(`{"leader": %q}`, n.Name), 200) }, record.Switchover, record.CauseSwitchover},
		{"scheduled switchover", r.schedule, record.Switchover, record.CauseScheduled},
		{"manual failover", func(n *lab.Node) {
			r.order(n, "/failover", fmt.Sprintf(`{"candidate": %q}`, r.Standbys()[0].Name), 200)
		}, record.Failover, record.CauseManual},
		{"lag", r.lag, record.Refusal, record.CauseLag},
		{"agent stopped", r.stopAgent, record.Failover, record.CauseStopped},
		{"zookeeper cut", r.cutStore, "", record.CauseStoreCut},
		{"disk full", r.fillDisk, "", record.CauseDiskFull},
		{"crash loop", func(n *lab.Node) {
			for range 3 {
				r.killPostmaster(n)
			}
		}, record.Restart, record.CauseCrashLoop},
	} {
		if only != "all" && !strings.Contains(only, tc.name) {
			continue
		}
		leader := r.WaitHealthy(90 * time.Second)
		r.writer.AwaitMore(10, 30*time.Second)
		begin := time.Now()
		tc.inject(leader)
		after := r.WaitHealthy(90 * time.Second)
		s := r.story(after, tc.kind, func(s record.Story) string {
			switch {
			case s.End.Before(begin.Add(-time.Second)):
				return "the newest is an older one: " + string(s.Cause)
			case s.Cause != tc.cause || s.Guess:
				return fmt.Sprintf("cause %q (guess %v): %s", s.Cause, s.Guess, s.Reason)
			}
			return ""
		})
		t.Logf("%-20s %-10s %-28s %6.2f s, longest %-22s %s", tc.name, s.Kind, s.Cause, s.Seconds, s.Longest, s.Reason)
	}
}

func (r *run) killPostmaster(n *lab.Node) {
	pid := n.Postmaster()
	_ = syscall.Kill(pid, syscall.SIGKILL)
	r.Wait(60*time.Second, "another postmaster", func() string {
		if p := n.Postmaster(); p == 0 || p == pid {
			return "it is not there"
		}
		return ""
	})
	r.writer.AwaitMore(10, 60*time.Second) // one that is killed while it starts is another fault
	r.WaitHealthy(90 * time.Second)
}

// otherLeads waits until somebody else leads than n.
func (r *run) otherLeads(n *lab.Node) {
	r.Wait(90*time.Second, "another leader", func() string {
		if l := r.Leader(); l == nil || l == n {
			return "there is none"
		}
		return ""
	})
	r.writer.AwaitMore(10, 60*time.Second)
}

func (r *run) killAgent(n *lab.Node) {
	n.KillAgent()
	r.otherLeads(n)
	n.Start()
}

func (r *run) freezeAgent(n *lab.Node) {
	n.Signal(syscall.SIGSTOP)
	r.otherLeads(n)
	n.Signal(syscall.SIGCONT)
}

func (r *run) killNode(n *lab.Node) {
	n.KillAll()
	r.otherLeads(n)
	n.Start()
}

func (r *run) stopAgent(n *lab.Node) {
	n.Signal(syscall.SIGTERM)
	n.WaitExit(60 * time.Second)
	r.otherLeads(n)
	n.Start()
}

func (r *run) order(n *lab.Node, path, body string, want int) {
	r.t.Helper()
	if code, text, err := n.Call(http.MethodPost, path, body); err != nil || code != want {
		r.t.Fatalf("POST %s: %d %s %v", path, code, text, err)
	}
}

func (r *run) schedule(n *lab.Node) {
	at := time.Now().Add(3 * time.Second).Format(time.RFC3339)
	r.order(n, "/switchover", fmt.Sprintf(`{"leader": %q, "candidate": %q, "scheduled_at": %q}`, n.Name, r.Standbys()[0].Name, at), 202)
	r.otherLeads(n)
}

// lag holds the WAL receiver of a standby, writes more than the permitted lag
// and asks for a switchover to it.
func (r *run) lag(n *lab.Node) {
	standby := r.Standbys()[0]
	text, err := standby.Query("SELECT pid FROM pg_stat_wal_receiver")
	pid, convErr := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || convErr != nil {
		r.t.Fatalf("WAL receiver: %q %v", text, err)
	}
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	n.MustExec("CREATE TABLE IF NOT EXISTS much (t text); INSERT INTO much SELECT repeat(md5(i::text), 20) FROM generate_series(1, 20000) i")
	code, text, err := n.Call(http.MethodPost, "/switchover", fmt.Sprintf(`{"leader": %q, "candidate": %q}`, n.Name, standby.Name))
	if err != nil || code == 200 {
		r.t.Fatalf("the switchover was not refused: %d %s %v", code, text, err)
	}
}

// cutStore stops ZooKeeper until the leader has demoted itself.
func (r *run) cutStore(n *lab.Node) {
	const demotion = "rule=primary-without-lease"
	before := count(n.Log(), demotion) // of a fault before this one
	r.ZK.Pause()
	r.Wait(60*time.Second, "a demotion", func() string {
		if count(n.Log(), demotion) == before {
			return "it leads"
		}
		return ""
	})
	r.ZK.Resume()
	r.writer.AwaitMore(10, 90*time.Second)
}
