package decide

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// requestCases are those of operators' requests and of pause.
func requestCases() []testCase {
	paused := func(from func() View) func() View {
		return func() View {
			v := from()
			v.Settings.Pause = true
			return v
		}
	}
	primaryOn := func(t cluster.Timeline) Peer { return Peer{Name: "b", Reachable: true, Primary: true, Timeline: t} }
	starting := func() View {
		v := healthy()
		v.Instance.Ready, v.Job = false, &Job{Kind: "start primary", Primary: true, Since: v.Now}
		return v
	}
	failover := func(v *View) { free(v); v.Cluster.Failover = cluster.Failover{Candidate: "a"} }
	return []testCase{
		{"failover without a leader: takes the lock, lag does not count", standbyOf, func(v *View) {
			failover(v)
			v.Cluster.Status.Optime, v.Peers = 5000+2<<20, []Peer{peer("c", 9000)}
		}, Acquire, "race-failover", "named"},
		{"failover without a leader: somebody still runs as primary", standbyOf, func(v *View) { failover(v); v.Peers = []Peer{primaryOn(1)} }, Wait, "race-failover", "b still runs as primary"},
		{"failover without a leader: somebody is on a newer timeline", standbyOf, func(v *View) {
			failover(v)
			v.Peers = []Peer{{Name: "c", Reachable: true, Timeline: 2}}
		}, Wait, "race-failover", "newer timeline 2"},
		{"failover without a leader: who is on a newer timeline is not in the failsafe key", standbyOf, func(v *View) {
			failover(v)
			v.Settings.FailsafeMode, v.Cluster.Failsafe = true, map[string]string{"a": "u", "b": "u"}
			v.Peers = []Peer{{Name: "c", Reachable: true, Timeline: 2}}
		}, Acquire, "race-failover", "named"},
		{"failover without a leader: who is on a newer timeline is in the failsafe key", standbyOf, func(v *View) {
			failover(v)
			v.Settings.FailsafeMode, v.Cluster.Failsafe = true, map[string]string{"a": "u", "c": "u"}
			v.Peers = []Peer{{Name: "c", Reachable: true, Timeline: 2}}
		}, Wait, "race-failover", "newer timeline 2"},
		{"pause: the failsafe key keeps nobody on a newer timeline from leading", paused(standbyOf), func(v *View) {
			failover(v)
			v.Settings.FailsafeMode, v.Cluster.Failsafe = true, map[string]string{"a": "u", "b": "u"}
			v.Peers = []Peer{{Name: "c", Reachable: true, Timeline: 2}}
		}, Wait, "paused-candidate", "newer timeline 2"},
		{"failover without a leader: who is not in the failsafe key runs as primary", standbyOf, func(v *View) {
			failover(v)
			v.Settings.FailsafeMode, v.Cluster.Failsafe = true, map[string]string{"a": "u"}
			v.Peers = []Peer{primaryOn(2)}
		}, Wait, "race-failover", "b still runs as primary"},
		{"failover without a leader: the candidate's history is abandoned", standbyOf, func(v *View) {
			failover(v)
			v.Cluster.History = cluster.History{{Timeline: 1}}
		}, AskPeers, "race-ask", ""},
		{"failover without a leader: the candidate may not lead", standbyOf, func(v *View) { failover(v); tag(v, "nofailover", true) }, Wait, "race-nofailover", ""},
		{"switchover without the leader: lag does not count", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Failover, v.Cluster.Status.Optime, v.Peers = cluster.Failover{Leader: "b"}, 5000+2<<20, []Peer{peer("b", 9000)}
		}, Acquire, "race", ""},
		{"scheduled for later: the candidate is as good as any", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Failover = cluster.Failover{Leader: "b", Candidate: "a", ScheduledAt: v.Wall.Add(time.Second)}
			v.Peers = []Peer{peer("c", 5001)}
		}, Wait, "race", "ahead of my wal position"},
		{"scheduled for later: another is the candidate", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Failover = cluster.Failover{Leader: "b", Candidate: "c", ScheduledAt: v.Wall.Add(time.Second)}
			v.Peers = []Peer{peer("c", 5000)}
		}, Acquire, "race", ""},
		{"schedule missed: another was the candidate", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Failover = cluster.Failover{Leader: "b", Candidate: "c", ScheduledAt: v.Wall.Add(-16 * time.Second)}
			v.Peers = []Peer{peer("c", 5000)}
		}, Acquire, "race", ""},
		{"scheduled hand-over that took long: the candidate takes the lock", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Failover = cluster.Failover{Leader: "b", Candidate: "a", ScheduledAt: v.Wall.Add(-16 * time.Second)}
			v.Cluster.Status.Released, v.LastEpoch = 8, 8
		}, Acquire, "race-candidate", ""},
		{"switchover while PostgreSQL starts: looks at the candidates", starting, func(v *View) { v.Cluster.Failover = cluster.Failover{Leader: "a"} }, AskPeers, "hand-over-starting", ""},
		{"switchover while PostgreSQL starts: the start is given up", starting, func(v *View) {
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "a"}, []Peer{peer("b", 5000)}
		}, Abort, "hand-over-starting", "b takes over"},
		{"switchover while PostgreSQL is down: the lock goes", starting, func(v *View) {
			v.Job, v.Instance.Running = nil, false
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "a", Candidate: "b"}, []Peer{peer("b", 5000)}
		}, Release, "hand-over-starting", "b takes over"},
		{"switchover while PostgreSQL starts: the candidate lags too much", starting, func(v *View) {
			v.Cluster.Status.Optime = 5000 + 2<<20
			v.Cluster.Failover, v.Peers = cluster.Failover{Candidate: "b"}, []Peer{peer("b", 5000)}
		}, ClearFailover, "hand-over-starting", "behind"},
		{"switchover while PostgreSQL starts: to the leader itself", starting, func(v *View) { v.Cluster.Failover = cluster.Failover{Candidate: "a"} }, ClearFailover, "hand-over-starting", "already"},
		{"switchover while PostgreSQL starts: too few voters", starting, func(v *View) {
			v.Settings.SynchronousMode = "quorum"
			v.Cluster.Sync = cluster.SyncState{Exists: true, Leader: "a", Quorum: 1, Standbys: []string{"b", "c"}}
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "a"}, []Peer{peer("b", 5000)}
		}, ClearFailover, "hand-over-starting", "2 voters are needed"},
		{"switchover of another leader while PostgreSQL starts: not this node's", starting, func(v *View) { v.Cluster.Failover = cluster.Failover{Leader: "b"} }, Wait, "job", ""},
		{"scheduled for later while PostgreSQL starts", starting, func(v *View) {
			v.Cluster.Failover = cluster.Failover{Leader: "a", ScheduledAt: v.Wall.Add(time.Minute)}
		}, Wait, "job", ""},
		{"a request that cannot be read", healthy, func(v *View) { v.Cluster.Failover = cluster.Failover{Exists: true, Problem: "no offset"} }, ClearFailover, "hand-over-unreadable", "no offset"},
		{"standby cluster: schedule missed", standbyLed, func(v *View) {
			v.Cluster.Failover = cluster.Failover{Leader: "a", ScheduledAt: v.Wall.Add(-16 * time.Second)}
		}, ClearFailover, "hand-over-stale", ""},

		{"pause: a switchover without a candidate is refused", paused(healthy), func(v *View) { v.Cluster.Failover = cluster.Failover{Leader: "a"} }, ClearFailover, "paused-hand-over", "needs a candidate"},
		{"pause: a scheduled switchover is kept", paused(healthy), func(v *View) {
			v.Cluster.Failover = cluster.Failover{Leader: "a", Candidate: "b", ScheduledAt: v.Wall.Add(-time.Hour)}
		}, Lead, "paused-lead", ""},
		{"pause: the candidate takes the lock when nobody is primary", paused(standbyOf), func(v *View) { failover(v); v.Peers = []Peer{peer("b", 9000)} }, Acquire, "paused-candidate", ""},
		{"pause: the candidate leaves a running primary alone", paused(standbyOf), func(v *View) { failover(v); v.Peers = []Peer{primaryOn(1)} }, Wait, "paused-candidate", "still runs as primary"},
		{"pause: a candidate tagged nofailover", paused(standbyOf), func(v *View) { failover(v); tag(v, "nofailover", true) }, Wait, "paused", ""},
		{"pause: promotion failed, the lock is given up", paused(standbyOf), func(v *View) { v.Lease, v.Won, v.PromoteFailed = proven(0), true, true }, Release, "paused-release", ""},
		{"pause: the leader became a standby", paused(standbyOf), func(v *View) { v.Lease = proven(0) }, Release, "paused-release", ""},
		{"pause: the leader is restarted on request", paused(healthy), func(v *View) { v.Restart = true }, Restart, "paused-restart", ""},
		{"pause: the leader's data are of another cluster", paused(healthy), func(v *View) { v.Instance.SystemID = "1111111111" }, Release, "paused-foreign-data", "different cluster"},
		{"pause: a primary of another cluster takes no lock", paused(healthy), func(v *View) { free(v); v.Lease, v.Instance.SystemID = lease.Lease{}, "1111111111" }, Wait, "paused", "different cluster"},
		{"pause: a primary asks before it takes the free lock", paused(healthy), func(v *View) { free(v); v.Lease = lease.Lease{} }, AskPeers, "paused-primary", ""},
		{"pause: a primary of an abandoned timeline leaves the lock", paused(healthy), func(v *View) {
			free(v)
			v.Lease, v.Cluster.History = lease.Lease{}, cluster.History{{Timeline: 1, LSN: 4000}}
		}, Wait, "paused-primary", "behind the cluster's 2"},
		{"pause: a primary leaves the lock of a leader that was on a newer timeline and has written no history", paused(healthy), func(v *View) {
			free(v)
			v.Lease, v.Peers, v.LastTimeline = lease.Lease{}, []Peer{}, v.Instance.Timeline+1
		}, Wait, "paused-primary", "behind the last leader's 2"},
		{"pause: a primary takes the lock of a leader that was on its timeline", paused(healthy), func(v *View) {
			free(v)
			v.Lease, v.Peers, v.LastTimeline = lease.Lease{}, []Peer{}, v.Instance.Timeline
		}, Acquire, "paused-primary", ""},
		{"pause: a primary leaves the lock to one on a newer timeline", paused(healthy), func(v *View) { free(v); v.Lease, v.Peers = lease.Lease{}, []Peer{primaryOn(2)} }, Wait, "paused-primary", "newer timeline 2"},
		{"pause: a second primary is left alone", paused(healthy), func(v *View) { v.Lease, v.Cluster.Leader.Name = lease.Lease{}, "b" }, Wait, "paused-beside", "beside leader b"},
		{"pause: reinitialize on request", paused(standbyOf), func(v *View) { v.Reinit = true }, Reclone, "paused-reinitialize", ""},
		{"pause: a hand-over that came to nothing", paused(healthy), func(v *View) { down(v); v.Unfinished = true }, StartPrimary, "paused-come-back", ""},
		{"pause: the candidate's replay waits for higher settings", paused(standbyOf), func(v *View) {
			v.Lease, v.Won, v.Instance.ReplayStalled = proven(0), true, true
		}, Restart, "paused-stalled", ""},
		{"pause: the candidate of a switchover must have all of the log", paused(standbyOf), func(v *View) {
			free(v)
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "b", Candidate: "a"}, []Peer{}
		}, Wait, "paused", ""},
		{"pause: work that has failed is left to the operator", paused(standbyOf), func(v *View) { down(v); v.Unfinished, v.StartFailed = true, true }, Wait, "paused", ""},
		{"pause: a stopped standby stays stopped", paused(standbyOf), down, Wait, "paused", ""},
		{"pause: a hand-over is brought to its end", paused(standbyOf), func(v *View) { down(v); v.Unfinished = true }, StartStandby, "start-standby", ""},
		{"pause: a rewind is brought to its end", paused(standbyOf), func(v *View) {
			down(v)
			v.Unfinished, v.Divergence = true, cluster.DivergenceFound
		}, Rewind, "down-diverged", ""},
		{"pause over: a second primary is demoted", healthy, func(v *View) { v.Lease, v.Cluster.Leader.Name = lease.Lease{}, "b" }, Demote, "primary-without-lease", ""},
	}
}
