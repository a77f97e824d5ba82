package e2e

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/test/lab"
)

func TestBootstrapOfThreeAtOnce(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{})
	initdbs, ids := 0, map[string]bool{}
	for _, n := range l.Nodes {
		initdbs += count(n.Log(), "verb=bootstrap rule=bootstrap") - count(n.Log(), "another member bootstraps")
		doc, err := n.GetJSON("/patroni")
		if err != nil {
			t.Fatal(err)
		}
		ids[cluster.Text(doc.Get("database_system_identifier"))] = true
	}
	if initdbs != 1 || len(ids) != 1 {
		t.Errorf("got %d bootstraps and system identifiers %v, want one of each", initdbs, ids)
	}
	for _, n := range l.Nodes {
		want := map[string]int{"/primary": 503, "/replica": 200, "/health": 200, "/liveness": 200, "/readiness": 200, "/leader": 503, "/read-only": 200, "/foo": 503}
		if n == l.Leader() {
			want["/primary"], want["/replica"], want["/leader"] = 200, 503, 200
		}
		for path, code := range want {
			// The copy of the last to come moved the log on by a segment, which
			// is a lag until the next look.
			l.Wait(20*time.Second, n.Name+" GET "+path, func() string {
				if got, _, err := n.Call(http.MethodGet, path, ""); got != code {
					return fmt.Sprintf("got %d (%v), want %d", got, err, code)
				}
				return ""
			})
		}
	}
}

func TestPatronictlListsOurCluster(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("patronictl"); err != nil {
		t.Skip("patronictl is not installed; make test installs it where the distribution has it")
	}
	l := lab.New(t, lab.Options{})
	out, err := l.Patronictl(t.Context(), "list")
	if err != nil {
		t.Fatalf("patronictl list: %v\n%s", err, out)
	}
	t.Logf("\n%s", out)
	if got := count(out, "| Leader "); got != 1 {
		t.Errorf("%d leaders shown, want 1", got)
	}
	if got := count(out, "| Replica "); got != 2 {
		t.Errorf("%d replicas shown, want 2", got)
	}
	if got := count(out, "running"); got != 3 {
		t.Errorf("%d members running, want 3", got)
	}
	for _, n := range l.Nodes {
		if !strings.Contains(out, "| "+n.Name+" ") {
			t.Errorf("member %s is not shown", n.Name)
		}
	}
	if out, err := l.Patronictl(t.Context(), "switchover", "--force", "--master", l.Leader().Name); err != nil || !strings.Contains(out, "Successfully switched over") {
		t.Errorf("patronictl switchover: %v\n%s", err, out)
	}
	l.WaitHealthy(20 * time.Second)
}

func TestSwitchover(t *testing.T) {
	r := under(t, lab.DefaultDCS)
	for i := range 3 {
		old := r.Leader()
		body := fmt.Sprintf(`{"leader": %q}`, old.Name)
		want := ""
		if i > 0 {
			want = r.Standbys()[i%2].Name
			body = fmt.Sprintf(`{"leader": %q, "candidate": %q}`, old.Name, want)
		}
		r.from = time.Now()
		text := post(t, r.Standbys()[0], "/switchover", body, 200) // any member takes the request
		t.Logf("%s after %v", text, time.Since(r.from).Round(time.Millisecond))
		t.Logf("write gap %v", r.recovered(20*time.Second).Round(time.Millisecond))
		if got := r.Leader(); got == old || (want != "" && got.Name != want) {
			t.Errorf("the leader is %s, was %s, want %s", got.Name, old.Name, want)
		}
		r.noneLost()
	}
	r.Wait(10*time.Second, "the history to tell why the last leader leads", func() string {
		_, text, err := r.Leader().Call("GET", "/history", "")
		if err != nil || !strings.Contains(text, `"race-candidate: named as the candidate`) {
			return fmt.Sprint(text, err)
		}
		return ""
	})
}

func TestFailoverToACandidate(t *testing.T) {
	r := under(t, lab.DefaultDCS)
	want := r.Standbys()[1].Name
	post(t, r.leader, "/failover", fmt.Sprintf(`{"candidate": %q}`, want), 200)
	r.recovered(20 * time.Second)
	if got := r.Leader().Name; got != want {
		t.Errorf("the leader is %s, want %s", got, want)
	}
	r.noneLost()
}

func TestSwitchoverRefusals(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Nodes: 2, Node: func(name string) string {
		if name == "pg2" {
			return "tags:\n  nofailover: true\n"
		}
		return ""
	}})
	leader := l.Leader()
	if leader.Name != "pg1" {
		t.Fatalf("the leader is %s, want the only node that may lead", leader.Name)
	}
	post(t, leader, "/switchover", `{}`, 400)
	post(t, leader, "/switchover", `{"leader": "nobody"}`, 412)
	post(t, leader, "/switchover", `{"leader": "pg1", "candidate": "nobody"}`, 412)
	post(t, leader, "/switchover", `{"leader": "pg1", "candidate": "pg1"}`, 400)
	post(t, leader, "/switchover", `{"leader": "pg1"}`, 412)
	post(t, leader, "/failover", `{}`, 400)
	if l.Leader() != leader {
		t.Error("a refused switchover changed the leader")
	}
}

func TestPostmasterKilledOnLeaderRestartsInPlace(t *testing.T) {
	r := under(t, lab.DefaultDCS)
	_ = syscall.Kill(r.leader.Postmaster(), syscall.SIGKILL)
	t.Logf("write gap %v", r.recovered(30*time.Second).Round(time.Millisecond))
	if r.Leader() != r.leader {
		t.Errorf("the leader is %s, want %s restarted in place", r.Leader().Name, r.leader.Name)
	}
	r.noneLost()
}

func TestPostmasterKilledOnLeaderFailsOver(t *testing.T) {
	r := under(t, lab.DefaultDCS+"primary_start_timeout: 0\n")
	_ = syscall.Kill(r.leader.Postmaster(), syscall.SIGKILL)
	t.Logf("write gap %v", r.recovered(30*time.Second).Round(time.Millisecond))
	if r.Leader() == r.leader {
		t.Errorf("%s is leader again, want a failover", r.leader.Name)
	}
}

func TestPostmasterKilledOnStandby(t *testing.T) {
	r := under(t, lab.DefaultDCS)
	victim := r.Standbys()[0]
	old := victim.Postmaster()
	_ = syscall.Kill(old, syscall.SIGKILL)
	r.Wait(20*time.Second, "the standby to be started again", func() string {
		if pid := victim.Postmaster(); pid == 0 || pid == old {
			return fmt.Sprint("postmaster ", pid)
		}
		return ""
	})
	r.recovered(20 * time.Second)
	r.undisturbed("a standby crashed")
	r.noneLost()
}

func TestNodeKilled(t *testing.T) {
	r := under(t, fast)
	r.leader.KillAll()
	r.Wait(30*time.Second, "another leader", func() string {
		if l := r.Leader(); l == nil || l == r.leader {
			return "none yet"
		}
		return ""
	})
	r.writer.AwaitMore(20, 20*time.Second)
	t.Logf("write gap %v", r.writer.Gap(r.from).Round(time.Millisecond))
	r.leader.Start()
	r.recovered(60 * time.Second)
}

func TestAgentTerminatedOnLeader(t *testing.T) {
	r := under(t, lab.DefaultDCS)
	r.leader.Signal(syscall.SIGTERM)
	if code := r.leader.WaitExit(20 * time.Second); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if pid := r.leader.Postmaster(); pid != 0 {
		t.Errorf("PostgreSQL still runs with pid %d", pid)
	}
	r.writer.AwaitMore(20, 20*time.Second)
	t.Logf("write gap %v", r.writer.Gap(r.from).Round(time.Millisecond))
	r.leader.Start()
	r.recovered(60 * time.Second)
	r.noneLost()
}

func TestAgentTerminatedOnStandby(t *testing.T) {
	r := under(t, lab.DefaultDCS)
	victim := r.Standbys()[0]
	victim.Signal(syscall.SIGTERM)
	if code := victim.WaitExit(20 * time.Second); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	victim.Start()
	r.recovered(60 * time.Second)
	r.undisturbed("a standby's agent was restarted")
	r.noneLost()
}

func TestAgentKilledAndRestarted(t *testing.T) {
	r := under(t, lab.DefaultDCS)
	for _, n := range []*lab.Node{r.leader, r.Standbys()[0]} {
		pid := n.Postmaster()
		r.from = time.Now()
		n.KillAgent()
		n.Start()
		r.Wait(20*time.Second, n.Name+" to answer", func() string {
			code, _, err := n.Call(http.MethodGet, "/health", "")
			if err != nil || code != 200 {
				return fmt.Sprint(code, err)
			}
			return ""
		})
		r.recovered(20 * time.Second)
		r.undisturbed("the agent of " + n.Name + " was restarted")
		if got := n.Postmaster(); got != pid {
			t.Errorf("PostgreSQL of %s has pid %d, had %d: it was not adopted", n.Name, got, pid)
		}
		if r.Leader() != r.leader {
			t.Errorf("the leader changed to %s", r.Leader().Name)
		}
	}
	r.noneLost()
}

func TestZooKeeperStopsAndReturns(t *testing.T) {
	r := under(t, fast)
	r.ZK.Kill()
	gone := time.Now()
	r.Wait(10*time.Second, "the primary to demote itself", func() string {
		got, err := r.leader.Query("SELECT pg_is_in_recovery()")
		if err != nil || got != "true" {
			return fmt.Sprint(got, err)
		}
		return ""
	})
	acks := r.probes.Acks()
	last := acks[len(acks)-1].Sent
	if after := last.Sub(gone); after > 5*time.Second {
		t.Errorf("the last write that was acknowledged was sent %v after ZooKeeper went, the session lasts 5 s", after)
	}
	for _, n := range r.Nodes {
		if _, err := n.Query("SELECT count(*) FROM w"); err != nil {
			t.Errorf("%s cannot be read while ZooKeeper is away: %v", n.Name, err)
		}
		if code, _, err := n.Call(http.MethodGet, "/primary", ""); code != 503 {
			t.Errorf("%s says /primary %d (%v) while ZooKeeper is away", n.Name, code, err)
		}
	}
	if err := r.ZK.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	r.recovered(60 * time.Second)
	for _, a := range r.writer.Acks() {
		if a.Done.After(back) {
			t.Logf("demoted after %v, first write %v after ZooKeeper's return", last.Sub(gone).Round(time.Millisecond), a.Done.Sub(back).Round(time.Millisecond))
			break
		}
	}
	r.noneLost()
}

func TestDivergedPrimaryIsRewound(t *testing.T) {
	r := under(t, fast)
	// The standbys are cut off, then the leader writes what nobody gets.
	r.leader.MustExec("ALTER ROLE replicator NOLOGIN")
	r.settle()
	r.leader.MustExec("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
	r.leader.MustExec("CREATE TABLE only_here AS SELECT generate_series(1, 1000) AS n")
	r.leader.KillAll()
	r.Wait(30*time.Second, "another leader", func() string {
		if l := r.Leader(); l == nil || l == r.leader {
			return "none yet"
		}
		return ""
	})
	r.Wait(10*time.Second, "the new leader to accept writes", func() string {
		if _, err := r.Leader().Query("ALTER ROLE replicator LOGIN"); err != nil {
			return err.Error()
		}
		return ""
	})
	r.leader.Start()
	r.recovered(60 * time.Second)
	if _, err := r.leader.Query("SELECT count(*) FROM only_here"); err == nil || !strings.Contains(err.Error(), "only_here") {
		t.Errorf("the old primary still has what only it had: %v", err)
	}
	if !strings.Contains(r.leader.Log(), "verb=rewind") {
		t.Error("the old primary was not rewound")
	}
}

func TestRestartAndReinitialize(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{})
	leader := l.Leader()
	for _, n := range l.Nodes {
		old := n.Postmaster()
		if got := post(t, n, "/restart", "", 200); got != "restarted successfully" {
			t.Errorf("restart of %s: %q", n.Name, got)
		}
		if n.Postmaster() == old {
			t.Errorf("%s has the same postmaster after a restart", n.Name)
		}
	}
	l.WaitHealthy(20 * time.Second)
	if l.Leader() != leader {
		t.Errorf("a restart moved the leader to %s", l.Leader().Name)
	}
	post(t, leader, "/reinitialize", "", 503)
	victim := l.Standbys()[0]
	if got := post(t, victim, "/reinitialize", "", 200); got != "reinitialize started" {
		t.Errorf("reinitialize: %q", got)
	}
	l.Wait(30*time.Second, "the copy to start", func() string {
		if !strings.Contains(victim.Log(), "verb=reclone") {
			return "not yet"
		}
		return ""
	})
	l.WaitHealthy(60 * time.Second)
}

func TestDynamicConfigurationReachesPostgreSQL(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{})
	code, text, err := l.Nodes[0].Call(http.MethodPatch, "/config", `{"postgresql": {"parameters": {"work_mem": "7MB", "max_connections": 123}}}`)
	if err != nil || code != 200 {
		t.Fatalf("PATCH /config: %d %q %v", code, text, err)
	}
	for _, n := range l.Nodes {
		l.Wait(10*time.Second, n.Name+" to have the new work_mem", func() string {
			if got, err := n.Query("SHOW work_mem"); err != nil || got != "7MB" {
				return fmt.Sprint(got, err)
			}
			return ""
		})
		l.Wait(10*time.Second, n.Name+" to say that a restart is pending", func() string {
			doc, err := n.GetJSON("/patroni")
			if err != nil || doc.Get("pending_restart") != true {
				return fmt.Sprint(doc, err)
			}
			return ""
		})
	}
	post(t, l.Leader(), "/restart", "", 200)
	if got, err := l.Leader().Query("SHOW max_connections"); err != nil || got != "123" {
		t.Errorf("max_connections after the restart: %s (%v), want 123", got, err)
	}
}
