package decide

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// now is the instant of all cases; leases in them are of 30 s with a tick of
// 2 s, whose soft deadline is 21.9 s after the proof.
const now = lease.Instant(1000 * time.Second)

const sysID = "7575757575757575757"

func proven(ago time.Duration) lease.Lease {
	return lease.Lease{Epoch: 7, Sent: now.Add(-ago), Params: lease.Params{Timeout: 30 * time.Second, Tick: 2 * time.Second, Interval: time.Second}}
}

func member(name string, role cluster.Role, lsn cluster.LSN) cluster.Member {
	return cluster.Member{Name: name, Session: 1, Data: cluster.MemberData{
		ConnURL: "postgres://127.0.0.1:5432/postgres", APIURL: "http://127.0.0.1:8008/patroni",
		State: cluster.StateRunning, Role: role, XLogLocation: lsn, Timeline: 1,
	}}
}

// healthy is node a's view of a cluster that a leads, with b and c behind it.
func healthy() View {
	id := sysID
	settings := cluster.DefaultSettings()
	settings.UsePgRewind = true
	return View{
		Now: now, Wall: time.Unix(1_800_000_000, 0), Self: "a", Started: now - lease.Instant(time.Hour),
		Settings: settings, Lease: proven(time.Second), CanBootstrap: true, FollowsTarget: true,
		Cluster: &cluster.Cluster{
			Initialize: &id, Leader: &cluster.Leader{Name: "a", Session: 1, Epoch: 7},
			Members: []cluster.Member{member("a", cluster.RolePrimary, 5000), member("b", cluster.RoleReplica, 5000), member("c", cluster.RoleReplica, 5000)},
			Status:  cluster.Status{Optime: 5000}, History: cluster.History{},
		},
		Instance: cluster.Instance{
			State: cluster.StateRunning, Running: true, Ready: true, Pid: 42, SystemID: sysID, Timeline: 1, WriteLSN: 5000, Control: cluster.Control{RewindPossible: true},
			Replication: []cluster.WALSender{{ApplicationName: "b", State: "streaming"}, {ApplicationName: "C", State: "streaming"}},
		},
	}
}

// standbyOf is a's view as a standby of b.
func standbyOf() View {
	v := healthy()
	v.Lease = lease.Lease{}
	v.Cluster.Leader = &cluster.Leader{Name: "b", Session: 2, Epoch: 8}
	v.Cluster.Members = []cluster.Member{member("a", cluster.RoleReplica, 5000), member("b", cluster.RolePrimary, 5000), member("c", cluster.RoleReplica, 5000)}
	v.Instance.Standby, v.Instance.WriteLSN = true, 0
	v.Instance.ReceiveLSN, v.Instance.ReplayLSN = 5000, 5000
	v.Divergence = cluster.DivergenceNone
	return v
}

func free(v *View) {
	v.Cluster.Leader = nil
	v.UnlockedSince = v.Now
}

// emptied is a free lock, and an initialize key without identifier, for two TTL.
func emptied(v *View) {
	free(v)
	none := ""
	v.Cluster.Initialize, v.UnlockedSince, v.SeenInitialized = &none, v.Now.Add(-2*v.Settings.TTL), true
	v.Cluster.Members = []cluster.Member{member("a", cluster.RoleReplica, 5000), member("b", cluster.RoleReplica, 5000), member("c", cluster.RoleReplica, 5000)}
}

// leftBehind is the first look of an agent whose predecessor led and is gone.
func leftBehind(v *View) {
	v.Lease, v.Adopted, v.Former, v.Started = lease.Lease{}, true, 1, now.Add(-inheritGrace+1)
}

func down(v *View) {
	v.Instance.Running, v.Instance.Ready, v.Instance.Pid = false, false, 0
	v.Instance.State = cluster.StateCrashed
}

func empty(v *View) {
	v.Instance = cluster.Instance{DataEmpty: true, State: cluster.StateStopped}
}

func peer(name string, lsn cluster.LSN) Peer {
	return Peer{Name: name, Reachable: true, Position: lsn, Timeline: 1, FailoverPriority: 1}
}

type testCase struct {
	name string
	from func() View
	with func(*View)
	verb Verb
	rule string
	// says is part of the reason, "" to leave it.
	says string
}

// stopped are members without a running server.
func stopped(names ...string) []cluster.Member {
	var list []cluster.Member
	for _, n := range names {
		m := member(n, cluster.RoleUninitialized, 0)
		m.Data.State = cluster.StateStopped
		list = append(list, m)
	}
	return list
}

func cases() []testCase {
	all := slices.Concat(leaderCases(), standbyCases(), downCases(), failsafeCases(), watchdogCases(), syncCases(), slotCopyCases())
	return slices.Concat(all, standbyClusterCases(), requestCases(), scheduleCases())
}

func leaderCases() []testCase {
	return []testCase{
		{"a healthy leader leads", healthy, nil, Lead, "lead", ""},
		{"data of another cluster ends the agent", healthy, func(v *View) { v.Instance.SystemID = "1111111111" }, Exit, "foreign-data", "different cluster"},
		{"lease over during a promotion", healthy, func(v *View) { v.Lease = proven(30 * time.Second); v.Job = &Job{Kind: "promote", Primary: true} }, Abort, "job-lost-lease", "promote"},
		{"a demotion under way is not disturbed", healthy, func(v *View) { v.Lease = lease.Lease{}; v.Job = &Job{Kind: "demote", Stopping: true} }, Wait, "job-stopping", ""},
		{"a job goes on while the lease holds", healthy, func(v *View) { v.Job = &Job{Kind: "restart", Primary: true} }, Wait, "job", "restart"},
		{"lease at its soft deadline, store silent", healthy, func(v *View) { v.Lease = proven(22 * time.Second); v.StoreErr = "no answer" }, Demote, "primary-without-lease", "no answer"},
		{"lease one moment before its soft deadline", healthy, func(v *View) { v.Lease = proven(21 * time.Second); v.StoreErr = "no answer" }, Wait, "lead", "lease holds"},
		{"a reload does not delay a demotion", healthy, func(v *View) { v.Lease = lease.Lease{}; v.Job = &Job{Kind: "reload"} }, Demote, "primary-without-lease", ""},
		{"another member took the lock", healthy, func(v *View) { v.Lease = lease.Lease{}; v.Cluster.Leader.Name = "b" }, Demote, "primary-without-lease", "held by b"},
		{"own znode was removed", healthy, func(v *View) { v.Lease = lease.Lease{}; free(v) }, Demote, "primary-without-lease", "nobody holds"},
		{"adopted primary just after the start, store silent", healthy, func(v *View) {
			v.Lease, v.Adopted, v.StoreErr, v.Started = lease.Lease{}, true, "connecting", now.Add(-999*time.Millisecond)
		}, Wait, "adopted-unproven", ""},
		{"adopted primary a second after the start, store silent", healthy, func(v *View) {
			v.Lease, v.Adopted, v.StoreErr, v.Started = lease.Lease{}, true, "connecting", now.Add(-time.Second)
		}, Demote, "primary-without-lease", ""},
		{"adopted primary, lock free: asks first", healthy, func(v *View) { v.Lease, v.Adopted = lease.Lease{}, true; free(v) }, AskPeers, "adopted-reclaim", ""},
		{"adopted primary, lock free, no other primary", healthy, func(v *View) {
			v.Lease, v.Adopted, v.Peers = lease.Lease{}, true, []Peer{peer("b", 1)}
			free(v)
		}, Acquire, "adopted-reclaim", ""},
		{"adopted primary, lock free, another primary", healthy, func(v *View) {
			v.Lease, v.Adopted, v.Peers = lease.Lease{}, true, []Peer{{Name: "b", Reachable: true, Primary: true}}
			free(v)
		}, Demote, "adopted-reclaim", "b runs as primary"},
		{"adopted primary, lock free, a peer on a newer timeline", healthy, func(v *View) {
			v.Lease, v.Adopted, v.Peers = lease.Lease{}, true, []Peer{{Name: "b", Reachable: true, Timeline: 2}}
			free(v)
		}, Demote, "adopted-reclaim", "timeline 2"},
		{"adopted primary, lock left by the former agent", healthy, func(v *View) { leftBehind(v) }, Acquire, "adopted-inherit", "agent before"},
		{"adopted primary, lock left by the former agent, store silent", healthy, func(v *View) {
			leftBehind(v)
			v.StoreErr, v.Started = "silent", now.Add(-time.Second)
		}, Demote, "primary-without-lease", ""},
		{"adopted primary, lock left by the former agent and not had for long", healthy, func(v *View) {
			leftBehind(v)
			v.Started = now.Add(-inheritGrace)
		}, Demote, "primary-without-lease", ""},
		{"adopted primary, lock under its name by a stranger's session", healthy, func(v *View) {
			leftBehind(v)
			v.Cluster.Leader.Session = 2
		}, Demote, "primary-without-lease", ""},
		{"pause: the lock that the former agent left is taken over", healthy, func(v *View) {
			leftBehind(v)
			v.Settings.Pause = true
		}, Acquire, "paused-inherit", ""},
		{"pause: no lock is inherited for a standby", healthy, func(v *View) {
			leftBehind(v)
			v.Settings.Pause, v.Instance.Standby = true, true
		}, Wait, "paused", ""},
		{"adopted primary on an old timeline", healthy, func(v *View) {
			v.Lease, v.Adopted = lease.Lease{}, true
			v.Cluster.History = cluster.History{{Timeline: 1}}
			free(v)
		}, Demote, "primary-without-lease", ""},

		{"fence just lost", healthy, func(v *View) { v.FenceRequired, v.FenceLost = true, now.Add(-fenceGrace+1) }, Lead, "lead", ""},
		{"fence lost for a second", healthy, func(v *View) { v.FenceRequired, v.FenceLost = true, now.Add(-fenceGrace) }, Demote, "fence-lost", "fence"},
		{"fence lost, but only preferred", healthy, func(v *View) { v.FenceLost = now.Add(-fenceGrace) }, Lead, "lead", ""},
		{"fence lost in pause", healthy, func(v *View) { v.FenceRequired, v.FenceLost, v.Settings.Pause = true, now.Add(-fenceGrace), true }, Lead, "paused-lead", ""},
		{"lock free, no fence", standbyOf, func(v *View) { free(v); v.FenceRequired, v.FenceLost = true, now.Add(-time.Minute) }, Wait, "fence-missing", "fence"},
		{"lock held, no fence to be had", standbyOf, func(v *View) { v.Lease, v.FenceRequired, v.FenceLost = proven(0), true, now.Add(-fenceGrace) }, Release, "fence-missing", ""},
		{"adopted primary under an armed fence, store silent", healthy, func(v *View) {
			v.Lease, v.Adopted, v.StoreErr, v.Started, v.AdoptedUntil = lease.Lease{}, true, "connecting", now.Add(-time.Minute), now.Add(1001*time.Millisecond)
		}, Wait, "adopted-unproven", ""},
		{"pause: leader leads", healthy, func(v *View) { v.Settings.Pause = true }, Lead, "paused-lead", ""},
		{"pause: a primary without lease goes on", healthy, func(v *View) { v.Settings.Pause, v.Lease, v.StoreErr = true, lease.Lease{}, "silent" }, Wait, "paused", ""},
		{"pause: a running primary takes the free lock", healthy, func(v *View) {
			v.Settings.Pause, v.Lease, v.Peers = true, lease.Lease{}, []Peer{{Name: "b", Reachable: true, Primary: true, Timeline: 1}}
			free(v)
		}, Acquire, "paused-primary", ""},
		{"pause: a stopped leader releases", healthy, func(v *View) { v.Settings.Pause = true; down(v) }, Release, "paused-release", ""},
		{"pause: switchover to a named candidate", healthy, func(v *View) {
			v.Settings.Pause, v.Cluster.Failover, v.Peers = true, cluster.Failover{Leader: "a", Candidate: "b"}, []Peer{peer("b", 5000)}
		}, HandOver, "paused-hand-over", "b"},
		{"pause: the candidate takes the lock", standbyOf, func(v *View) {
			v.Settings.Pause, v.Cluster.Failover = true, cluster.Failover{Candidate: "a"}
			free(v)
		}, AskPeers, "paused-candidate", ""},
		{"pause: the candidate with the lock promotes", standbyOf, func(v *View) { v.Settings.Pause, v.Lease, v.Won = true, proven(0), true }, Promote, "paused-promote", ""},
		{"pause: a standby follows the new leader", standbyOf, func(v *View) { v.Settings.Pause, v.FollowsTarget = true, false }, Follow, "paused-follow", ""},
		{"pause: restart on request", standbyOf, func(v *View) { v.Settings.Pause, v.Restart = true, true }, Restart, "paused-restart", ""},
		{"pause: a standby does not race", standbyOf, func(v *View) { v.Settings.Pause = true; free(v) }, Wait, "paused", ""},

		{"switchover: asks the candidates", healthy, func(v *View) { v.Cluster.Failover = cluster.Failover{Leader: "a"} }, AskPeers, "hand-over", ""},
		{"switchover: hands over to the best", healthy, func(v *View) {
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "a"}, []Peer{peer("b", 4000), peer("c", 4500)}
		}, HandOver, "hand-over", "c takes over"},
		{"switchover: hands over to the named one", healthy, func(v *View) {
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "a", Candidate: "b"}, []Peer{peer("b", 4000), peer("c", 4500)}
		}, HandOver, "hand-over", "b takes over"},
		{"switchover: named candidate is silent", healthy, func(v *View) {
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "a", Candidate: "b"}, []Peer{{Name: "b", Err: "refused"}, peer("c", 4500)}
		}, ClearFailover, "hand-over", "b does not answer: refused"},
		{"switchover: the candidate does not receive the log", healthy, func(v *View) {
			v.Cluster.Failover = cluster.Failover{Leader: "a", Candidate: "b"}
			v.Instance.Replication = []cluster.WALSender{{ApplicationName: "b", State: "catchup"}, {ApplicationName: "c", State: "streaming"}}
			v.Peers = []Peer{peer("b", 5000), peer("c", 5000)}
		}, ClearFailover, "hand-over", "b does not receive the log at the moment"},
		{"switchover: the candidate streams from another standby", healthy, func(v *View) {
			v.Cluster.Failover = cluster.Failover{Leader: "a", Candidate: "b"}
			v.Instance.Replication = []cluster.WALSender{{ApplicationName: "c", State: "streaming"}}
			tags := &cluster.Object{}
			tags.Set("replicatefrom", "c")
			v.Cluster.Members[1].Data.Tags, v.Cluster.Members[1].Data.ReplicationState = cluster.NewTags(tags), "streaming"
			v.Peers = []Peer{peer("b", 5000), peer("c", 5000)}
		}, HandOver, "hand-over", "b takes over"},
		{"switchover: candidate too far behind", healthy, func(v *View) {
			v.Instance.WriteLSN = 5 << 20
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "a"}, []Peer{peer("b", 4<<20-1)}
		}, ClearFailover, "hand-over", "behind"},
		{"switchover: candidate exactly at the permitted lag", healthy, func(v *View) {
			v.Instance.WriteLSN = 5 << 20
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "a"}, []Peer{peer("b", 4<<20)}
		}, HandOver, "hand-over", ""},
		{"switchover: the candidate is on an old timeline", healthy, func(v *View) {
			v.Instance.Timeline = 2
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "a", Candidate: "b"}, []Peer{peer("b", 9000)}
		}, ClearFailover, "hand-over", "timeline 1"},
		{"promotion for a request failed: the request goes first", standbyOf, func(v *View) {
			v.Lease, v.PromoteFailed, v.Cluster.Failover = proven(0), true, cluster.Failover{Leader: "b", Candidate: "a"}
		}, ClearFailover, "promote-failed-request", ""},
		{"promotion failed: gives way", standbyOf, func(v *View) { v.Lease, v.PromoteFailed, v.Peers = proven(0), true, []Peer{peer("c", 5000)} }, Release, "promote-failed", "c can take over"},
		{"promotion failed, nobody else: backs off", standbyOf, func(v *View) {
			v.Lease, v.PromoteFailed, v.Peers, v.Backoff = proven(0), true, []Peer{}, now.Add(time.Second)
		}, Wait, "promote-failed", "nobody"},
		{"promotion failed, nobody else: tries again", standbyOf, func(v *View) { v.Lease, v.PromoteFailed, v.Peers = proven(0), true, []Peer{} }, Promote, "promote-failed", ""},
		{"recovery longer than primary_start_timeout: gives way", healthy, func(v *View) { v.Instance.Ready, v.StartFailed, v.Peers = false, true, []Peer{peer("b", 5000)} }, Release, "leader-start-timeout", ""},
		{"recovery longer than primary_start_timeout, nobody else", healthy, func(v *View) { v.Instance.Ready, v.StartFailed, v.Peers = false, true, []Peer{} }, Wait, "leader-start-timeout", ""},
		{"cut off in the middle of a bootstrap", healthy, func(v *View) { none := ""; v.Cluster.Initialize, v.Interrupted = &none, true }, UndoBootstrap, "bootstrap-interrupted", ""},
		{"switchover: names another leader", healthy, func(v *View) { v.Cluster.Failover = cluster.Failover{Leader: "b"} }, ClearFailover, "hand-over", "the leader is a"},
		{"failover to the leader itself", healthy, func(v *View) { v.Cluster.Failover = cluster.Failover{Candidate: "a"} }, ClearFailover, "hand-over", "already"},
		{"switchover: nobody else", healthy, func(v *View) { v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "a"}, []Peer{} }, ClearFailover, "hand-over", "no other member"},
		{"switchover: nofailover candidate", healthy, func(v *View) {
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "a"}, []Peer{{Name: "b", Reachable: true, NoFailover: true, Position: 5000}}
		}, ClearFailover, "hand-over", "nofailover"},
		{"scheduled for later: leads on", healthy, func(v *View) {
			v.Cluster.Failover = cluster.Failover{Leader: "a", ScheduledAt: v.Wall.Add(time.Second)}
		}, Lead, "lead", ""},
		{"scheduled for now", healthy, func(v *View) { v.Cluster.Failover = cluster.Failover{Leader: "a", ScheduledAt: v.Wall} }, AskPeers, "hand-over", ""},
		{"schedule missed", healthy, func(v *View) {
			v.Cluster.Failover = cluster.Failover{Leader: "a", ScheduledAt: v.Wall.Add(-15*time.Second - 1)}
		}, ClearFailover, "hand-over-stale", "missed"},
		{"restart on request", healthy, func(v *View) { v.Restart = true }, Restart, "restart", ""},
		{"lock held, in recovery: promote", standbyOf, func(v *View) { v.Lease = proven(0) }, Promote, "promote", "epoch 7"},
		{"lock held, server still starting", standbyOf, func(v *View) { v.Lease, v.Instance.Ready = proven(0), false }, Wait, "leader-starting", ""},
	}
}

func standbyCases() []testCase {
	return []testCase{
		{"a standby follows", standbyOf, nil, Wait, "standby", "following b"},
		{"a standby without the store goes on", standbyOf, func(v *View) { v.StoreErr = "silent" }, Wait, "store-unreadable", "silent"},
		{"a standby that cannot become consistent follows the leader", standbyOf, func(v *View) { v.Instance.Ready = false; v.FollowsTarget = false }, Follow, "follow-starting", "the leader is b"},
		{"a standby that does not become consistent is compared", standbyOf, func(v *View) { v.Instance.Ready = false; v.Divergence = cluster.DivergenceUnknown }, CheckDivergence, "check-starting", "with b"},
		{"not before the back-off is over", standbyOf, func(v *View) {
			v.Instance.Ready, v.Divergence, v.Backoff = false, cluster.DivergenceUnknown, now+1
		}, Wait, "no-answer", ""},
		{"not with a leader that is not ready", standbyOf, func(v *View) {
			v.Instance.Ready, v.Divergence = false, cluster.DivergenceUnknown
			v.Cluster.Members[1].Data.State = cluster.StateStarting
		}, Wait, "no-answer", ""},
		{"a standby that is still starting and has not diverged", standbyOf, func(v *View) { v.Instance.Ready = false }, Wait, "no-answer", ""},
		{"a standby that never becomes consistent is rewound", standbyOf, func(v *View) { v.Instance.Ready = false; v.Divergence = cluster.DivergenceFound }, Rewind, "diverged-starting", ""},
		{"a resumed lock before the store was ever read", standbyOf, func(v *View) { v.Lease = proven(time.Second); v.Cluster = nil; v.StoreErr = "no answer" }, Wait, "promote-unread", "waiting for ZooKeeper: no answer"},
		{"a standby that does not answer", standbyOf, func(v *View) { v.Instance.Ready = false; free(v) }, Wait, "no-answer", ""},
		{"new leader: follow", standbyOf, func(v *View) { v.FollowsTarget = false }, Follow, "follow", "leader is b"},
		{"new leader: check", standbyOf, func(v *View) { v.Divergence = cluster.DivergenceUnknown }, CheckDivergence, "check", ""},
		{"diverged: rewind", standbyOf, func(v *View) { v.Divergence = cluster.DivergenceFound }, Rewind, "diverged", ""},
		{"diverged, leader's checkpoint pending: wait", standbyOf, func(v *View) {
			v.Divergence = cluster.DivergenceFound
			v.Cluster.Members[1].Data.CheckpointPending = true
		}, Wait, "diverged", "checkpoint"},
		{"diverged, rewind failed, removal allowed", standbyOf, func(v *View) {
			v.Divergence, v.RewindFailed, v.Settings.RemoveOnRewindFailure = cluster.DivergenceFound, true, true
		}, Reclone, "diverged", ""},
		{"diverged, rewind failed, removal not allowed", standbyOf, func(v *View) { v.Divergence, v.RewindFailed = cluster.DivergenceFound, true }, Wait, "diverged", "reinitialize"},
		{"reinitialize on request", standbyOf, func(v *View) { v.Reinit = true }, Reclone, "reinitialize", ""},
		{"lock under my name by an earlier session", standbyOf, func(v *View) { v.Cluster.Leader.Name = "a" }, Wait, "own-name", "under my name"},

		{"lock free: asks first", standbyOf, free, AskPeers, "race-ask", ""},
		{"lock free: alone", standbyOf, func(v *View) { free(v); v.Peers = []Peer{} }, Acquire, "race", ""},
		{"lock free: equal positions", standbyOf, func(v *View) { free(v); v.Peers = []Peer{peer("c", 5000)} }, Acquire, "race", ""},
		{"lock free: a peer is one byte ahead", standbyOf, func(v *View) { free(v); v.Peers = []Peer{peer("c", 5001)} }, Wait, "race", "ahead of my wal position"},
		{"lock free: the one ahead may not lead", standbyOf, func(v *View) {
			free(v)
			v.Peers = []Peer{{Name: "c", Reachable: true, Position: 9000, NoFailover: true}}
		}, Acquire, "race", ""},
		{"lock free: the one ahead is silent", standbyOf, func(v *View) { free(v); v.Peers = []Peer{{Name: "c", Position: 9000}} }, Acquire, "race", "no answer"},
		{"lock free: a peer tagged nofailover still runs as primary", standbyOf, func(v *View) {
			free(v)
			v.Peers = []Peer{{Name: "c", Reachable: true, Primary: true, NoFailover: true}}
		}, Wait, "race", "still runs as primary"},
		{"lock free: equal, higher priority elsewhere", standbyOf, func(v *View) {
			free(v)
			v.Peers = []Peer{{Name: "c", Reachable: true, Position: 5000, Timeline: 1, FailoverPriority: 2}}
		}, Wait, "race", "priority 2"},
		{"lock free: a peer on a newer timeline", standbyOf, func(v *View) {
			free(v)
			v.Peers = []Peer{{Name: "c", Reachable: true, Position: 1, Timeline: 2, FailoverPriority: 1}}
		}, Wait, "race", "timeline 2"},
		{"lock free: a peer on a newer timeline that leaves it to others", standbyOf, func(v *View) {
			free(v)
			v.Peers = []Peer{{Name: "c", Reachable: true, Position: 1, Timeline: 2, FailoverPriority: 1, Lagging: true}}
		}, Acquire, "race", "the healthiest"},
		{"lock free: a peer that is ahead on a branch of its own, and leaves it to others", standbyOf, func(v *View) {
			free(v)
			v.Peers = []Peer{{Name: "c", Reachable: true, Position: 6000, Timeline: 1, FailoverPriority: 1, Lagging: true}}
		}, Acquire, "race", "the healthiest"},
		{"lock free: the candidate lags", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Failover = cluster.Failover{Exists: true, Candidate: "c"}
			v.Peers = []Peer{{Name: "c", Reachable: true, Position: 6000, Timeline: 1, FailoverPriority: 1, Lagging: true}}
		}, Wait, "race", "the candidate of the requested failover"},
		{"lock free: nofailover", standbyOf, func(v *View) {
			free(v)
			o := &cluster.Object{}
			o.Set("nofailover", true)
			v.Tags = cluster.NewTags(o)
		}, Wait, "race-nofailover", ""},
		{"lock free: lag at the limit", standbyOf, func(v *View) { free(v); v.Cluster.Status.Optime = 5000 + 1<<20 }, AskPeers, "race-ask", ""},
		{"lock free: behind an orderly end, and somebody may have it", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Status = cluster.Status{Optime: 5001, Released: 6}
			v.Peers = []Peer{{Name: "b", Err: "no answer"}, peer("c", 5000)}
		}, Wait, "race", "b does not answer and may have the end of the log"},
		{"lock free: behind an orderly end for long", standbyOf, func(v *View) {
			free(v)
			v.UnlockedSince = v.Now.Add(-candidateGrace)
			v.Cluster.Status = cluster.Status{Optime: 5001, Released: 6}
			v.Peers = []Peer{{Name: "b", Err: "no answer"}, peer("c", 5000)}
		}, Acquire, "race", ""},
		{"lock free: what lies behind the fork does not make up for lag", standbyOf, func(v *View) {
			free(v)
			v.Cluster.History, v.Cluster.Status.Optime = cluster.History{{Timeline: 1, LSN: 4000}}, 4001+1<<20
		}, Wait, "race-lag", "at 0/FA0"},
		{"lock free: not yet at the fork", standbyOf, func(v *View) {
			free(v)
			v.Cluster.History, v.Cluster.Status.Optime = cluster.History{{Timeline: 1, LSN: 6000}}, 5000+1<<20
		}, AskPeers, "race-ask", ""},
		{"lock free: another branch of the cluster's timeline", standbyOf, func(v *View) {
			free(v)
			v.Instance.Timeline, v.Instance.History = 3, cluster.History{{Timeline: 1, LSN: 1000}, {Timeline: 2, LSN: 4000}}
			v.Cluster.History = cluster.History{{Timeline: 1, LSN: 1000}, {Timeline: 2, LSN: 4500}}
			v.Cluster.Status.Optime = 4001 + 1<<20
		}, Wait, "race-lag", "at 0/FA0"},
		{"lock free: the branch of the last leader, who left the key as it was", standbyOf, func(v *View) {
			free(v)
			v.Instance.Timeline, v.Instance.History = 3, cluster.History{{Timeline: 1, LSN: 1000}, {Timeline: 2, LSN: 4000}}
			v.Cluster.History = cluster.History{{Timeline: 1, LSN: 1000}, {Timeline: 2, LSN: 3000}}
			v.Cluster.Status.Optime = 5000 + 1<<20
			v.WithLast, v.LastEpoch, v.Cluster.HistoryZxid = true, 9, 8
		}, AskPeers, "race-ask", ""},
		{"lock free: a branch that the last leader, or one after it, wrote", standbyOf, func(v *View) {
			free(v)
			v.Instance.Timeline, v.Instance.History = 3, cluster.History{{Timeline: 1, LSN: 1000}, {Timeline: 2, LSN: 4000}}
			v.Cluster.History = cluster.History{{Timeline: 1, LSN: 1000}, {Timeline: 2, LSN: 3000}}
			v.Cluster.Status.Optime = 5000 + 1<<20
			v.WithLast, v.LastEpoch, v.Cluster.HistoryZxid = true, 9, 10
		}, Wait, "race-lag", "at 0/BB8"},
		{"lock free: not known to be on the last leader's branch", standbyOf, func(v *View) {
			free(v)
			v.Instance.Timeline, v.Instance.History = 3, cluster.History{{Timeline: 1, LSN: 1000}, {Timeline: 2, LSN: 4000}}
			v.Cluster.History = cluster.History{{Timeline: 1, LSN: 1000}, {Timeline: 2, LSN: 3000}}
			v.Cluster.Status.Optime = 5000 + 1<<20
			v.LastEpoch, v.Cluster.HistoryZxid = 9, 8
		}, Wait, "race-lag", "at 0/BB8"},
		{"lock free: behind on a timeline that the key has ended, whoever wrote it", standbyOf, func(v *View) {
			free(v)
			v.Cluster.History, v.Cluster.Status.Optime = cluster.History{{Timeline: 1, LSN: 4000}}, 4001+1<<20
			v.WithLast, v.LastEpoch, v.Cluster.HistoryZxid = true, 9, 8
		}, Wait, "race-lag", "at 0/FA0"},
		{"lock free: the cluster's own branch", standbyOf, func(v *View) {
			free(v)
			v.Instance.Timeline, v.Instance.History = 3, cluster.History{{Timeline: 1, LSN: 1000}, {Timeline: 2, LSN: 4000}}
			v.Cluster.History, v.Cluster.Status.Optime = v.Instance.History, 5000+1<<20
		}, AskPeers, "race-ask", ""},
		{"lock free: lag one byte over the limit", standbyOf, func(v *View) { free(v); v.Cluster.Status.Optime = 5001 + 1<<20 }, Wait, "race-lag", ""},
		{"lock free: old timeline, check_timeline", standbyOf, func(v *View) {
			free(v)
			v.Settings.CheckTimeline, v.Cluster.History = true, cluster.History{{Timeline: 1}}
		}, Wait, "race-timeline", ""},
		{"lock free during a bootstrap elsewhere", standbyOf, func(v *View) { free(v); none := ""; v.Cluster.Initialize = &none }, Wait, "race-bootstrap", ""},
		{"an empty initialize key for two TTL: data lead", standbyOf, func(v *View) { emptied(v); v.Peers = []Peer{} }, Acquire, "race", ""},
		{"an empty initialize key, one moment before", standbyOf, func(v *View) { emptied(v); v.UnlockedSince++ }, Wait, "race-bootstrap", ""},
		{"an empty initialize key, and somebody makes a cluster", standbyOf, func(v *View) { emptied(v); v.Cluster.Members[2].Data.State = cluster.StateInitializing }, Wait, "race-bootstrap", ""},
		{"an empty initialize key, and somebody starts a new cluster", standbyOf, func(v *View) {
			emptied(v)
			v.Cluster.Members[2].Data.State, v.Cluster.Members[2].Data.Role = cluster.StateStarting, cluster.RolePrimary
		}, Wait, "race-bootstrap", ""},
		{"an empty initialize key, and the primary's standby starts", standbyOf, func(v *View) { emptied(v); v.Cluster.Members[2].Data.State = cluster.StateStarting }, AskPeers, "race-ask", ""},
		{"an empty initialize key, new here, and a standby may be on its way to a point in the past", standbyOf, func(v *View) { emptied(v); v.SeenInitialized = false }, Wait, "race-bootstrap", ""},
		{"an empty initialize key, new here, and the others stream", standbyOf, func(v *View) {
			emptied(v)
			v.SeenInitialized = false
			for i := range v.Cluster.Members {
				v.Cluster.Members[i].Data.ReplicationState = "streaming"
			}
		}, AskPeers, "race-ask", ""},
		{"an empty initialize key, found running", standbyOf, func(v *View) { emptied(v); v.Adopted, v.SeenInitialized = true, false }, Wait, "race-bootstrap", ""},
		{"an empty initialize key, found running, with the identifier before", standbyOf, func(v *View) { emptied(v); v.Adopted, v.SeenInitialized = true, true }, AskPeers, "race-ask", ""},
		{"an empty initialize key, found running, named", standbyOf, func(v *View) {
			emptied(v)
			v.Adopted, v.SeenInitialized, v.Cluster.Failover = true, false, cluster.Failover{Candidate: "a"}
		}, AskPeers, "race-failover", ""},
		{"a standby that was found running, and no keys: its primary first", standbyOf, func(v *View) { free(v); v.Adopted, v.Cluster.Initialize = true, nil }, Wait, "race-unmanaged", "its primary first"},
		{"the keys were there before: somebody removed them", standbyOf, func(v *View) { free(v); v.Adopted, v.Cluster.Initialize, v.SeenInitialized = true, nil, true }, AskPeers, "race-ask", ""},
		{"replay waits for higher settings: restart", standbyOf, func(v *View) { v.Instance.ReplayStalled = true }, Restart, "replay-stalled", ""},
		{"named candidate with all the log takes the lock at once", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Failover, v.Cluster.Status.Released = cluster.Failover{Leader: "b", Candidate: "a"}, 8
			v.LastEpoch = 8
		}, Acquire, "race-candidate", ""},
		{"named candidate, but the leader did not release in order: asks first", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Failover = cluster.Failover{Leader: "b", Candidate: "a"}
		}, AskPeers, "race-ask", ""},
		{"named candidate, but an older leadership was released: asks first", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Failover, v.Cluster.Status.Released = cluster.Failover{Leader: "b", Candidate: "a"}, 7
			v.LastEpoch = 8
		}, AskPeers, "race-ask", ""},
		{"named candidate on an old timeline: asks first", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Failover, v.Cluster.Status.Released = cluster.Failover{Leader: "b", Candidate: "a"}, 8
			v.LastEpoch = 8
			v.Cluster.History = cluster.History{{Timeline: 1}}
		}, AskPeers, "race-ask", ""},
		{"manual failover without a leader: asks first", standbyOf, func(v *View) { free(v); v.Cluster.Failover = cluster.Failover{Candidate: "a"} }, AskPeers, "race-failover", ""},
		{"lock free: a peer with more log of an old timeline", standbyOf, func(v *View) {
			free(v)
			v.Instance.Timeline = 2
			v.Peers = []Peer{peer("c", 9000)}
		}, Acquire, "race", ""},
		{"follow failed before: backs off", standbyOf, func(v *View) { v.FollowsTarget, v.Backoff = false, now.Add(time.Second) }, Wait, "standby", ""},
		{"named candidate that lacks the shutdown checkpoint asks first", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Failover, v.Cluster.Status.Optime, v.Cluster.Status.Released = cluster.Failover{Leader: "b", Candidate: "a"}, 5001, 8
			v.LastEpoch = 8
		}, AskPeers, "race-ask", ""},
		{"another is the candidate", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "b", Candidate: "c"}, []Peer{peer("c", 5000)}
		}, Wait, "race", "candidate"},
		{"another is the candidate and lets the lock lie", standbyOf, func(v *View) {
			free(v)
			v.UnlockedSince = now.Add(-candidateGrace)
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "b", Candidate: "c"}, []Peer{peer("c", 5000)}
		}, Acquire, "race", ""},
		{"another is the candidate and is silent", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "b", Candidate: "c"}, []Peer{{Name: "c"}}
		}, Acquire, "race", ""},
		{"the old leader of a switchover is ahead: it comes last", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "b"}, []Peer{peer("b", 6000)}
		}, Acquire, "race", ""},
		{"the old leader leaves the lock to another", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "a"}, []Peer{peer("c", 4000)}
		}, Wait, "race", "asked to hand over"},
		{"the old leader takes it back when nobody can", standbyOf, func(v *View) {
			free(v)
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "a"}, []Peer{{Name: "c"}}
		}, Acquire, "race", ""},
	}
}

func downCases() []testCase {
	return []testCase{
		{"data directory unusable", standbyOf, func(v *View) { v.Instance = cluster.Instance{DataProblem: "owned by mallory"} }, Wait, "data-unusable", "mallory"},
		{"leader's data directory unusable", healthy, func(v *View) { v.Instance = cluster.Instance{DataProblem: "owned by mallory"} }, Release, "data-unusable", ""},
		{"leader's data directory gone", healthy, empty, Release, "empty-leader", ""},
		{"store never read", healthy, func(v *View) { down(v); v.Cluster, v.StoreErr, v.Lease = nil, "refused", lease.Lease{} }, Wait, "store-never-read", "refused"},
		{"empty, store silent", standbyOf, func(v *View) { empty(v); v.StoreErr = "silent" }, Wait, "empty-store-unreadable", ""},
		{"empty, nobody has bootstrapped", standbyOf, func(v *View) { empty(v); free(v); v.Cluster.Initialize, v.Cluster.Members = nil, nil }, Bootstrap, "bootstrap", ""},
		{"empty, somebody bootstraps", standbyOf, func(v *View) { empty(v); free(v); none := ""; v.Cluster.Initialize = &none }, Wait, "waiting-for-leader", "bootstrap"},
		{"empty, nobody leads, a method needs nobody, but the sync key names this node", standbyOf, func(v *View) {
			empty(v)
			free(v)
			v.WithoutLeader, v.Settings.SynchronousMode = true, "on"
			v.Cluster.Sync = cluster.SyncState{Exists: true, Leader: "b", Standbys: []string{"a"}}
		}, Wait, "waiting-for-leader", ""},
		{"empty, no leader, a backup needs none", standbyOf, func(v *View) { empty(v); free(v); v.WithoutLeader = true }, Clone, "build-without-leader", "needs none"},
		{"empty, a leader is there all the same", standbyOf, func(v *View) { empty(v); v.WithoutLeader = true }, Clone, "clone", ""},
		{"empty, no cluster yet to have a backup of", standbyOf, func(v *View) { empty(v); free(v); none := ""; v.Cluster.Initialize, v.WithoutLeader = &none, true }, Wait, "waiting-for-leader", ""},
		{"empty, no bootstrap section", standbyOf, func(v *View) { empty(v); free(v); v.Cluster.Initialize, v.CanBootstrap = nil, false }, Wait, "waiting-for-leader", ""},
		{"empty, keys removed by hand", standbyOf, func(v *View) { empty(v); free(v); v.Cluster.Initialize, v.SeenInitialized = nil, true }, Wait, "waiting-for-leader", "removed"},
		{"empty, keys gone, but another member has data", standbyOf, func(v *View) { empty(v); free(v); v.Cluster.Initialize = nil }, Wait, "waiting-for-leader", "removed"},
		{"empty, a bootstrap that nobody goes on with", standbyOf, func(v *View) {
			empty(v)
			free(v)
			none := ""
			v.Cluster.Initialize, v.UnlockedSince, v.Cluster.Members = &none, now.Add(-time.Minute), stopped("a", "b")
		}, ClearInitialize, "bootstrap-abandoned", ""},
		{"empty, an abandoned bootstrap, but another member comes first", standbyOf, func(v *View) {
			empty(v)
			free(v)
			none := ""
			v.Self, v.Cluster.Initialize, v.UnlockedSince, v.Cluster.Members = "b", &none, now.Add(-time.Minute), stopped("a", "b")
		}, Wait, "waiting-for-leader", ""},
		{"data unusable, reinitialize on request", standbyOf, func(v *View) { v.Instance = cluster.Instance{DataProblem: "no control file"}; v.Reinit = true }, Reclone, "reinitialize", ""},
		{"empty, leader ready", standbyOf, empty, Clone, "clone", "copying b"},
		{"empty, a clonefrom standby is preferred", standbyOf, func(v *View) {
			empty(v)
			o := &cluster.Object{}
			o.Set("clonefrom", true)
			v.Cluster.Members[2].Data.Tags = cluster.NewTags(o)
		}, Clone, "clone", "copying c"},
		{"empty, leader still starting", standbyOf, func(v *View) { empty(v); v.Cluster.Members[1].Data.State = cluster.StateInitializing }, Wait, "waiting-for-leader", "ready"},
		{"failed before: backs off", standbyOf, func(v *View) { empty(v); v.Backoff, v.LastError = now.Add(time.Second), "clone: refused" }, Wait, "backing-off", "refused"},

		{"down, store silent: read-only", standbyOf, func(v *View) { down(v); v.StoreErr = "silent" }, StartStandby, "down-store-unreadable", "read-only"},
		{"crashed leader restarts in place", healthy, down, StartPrimary, "leader-crashed-restart", ""},
		{"crashed leader, and the store shows that its lock is gone", healthy, func(v *View) { down(v); v.Cluster.Leader = nil }, Wait, "lock-not-shown", "epoch 7"},
		{"crashed leader, and the store shows another's lock", healthy, func(v *View) { down(v); v.Cluster.Leader = &cluster.Leader{Name: "b", Session: 2, Epoch: 8} }, Wait, "lock-not-shown", ""},
		{"crashed leader, the store is silent", healthy, func(v *View) { down(v); v.Cluster.Leader, v.StoreErr = nil, "silent" }, StartPrimary, "leader-crashed-restart", ""},
		{"crashed leader, start timeout 0: asks", healthy, func(v *View) { down(v); v.Settings.PrimaryStartTimeout = 0 }, AskPeers, "leader-crashed-fail-over", ""},
		{"crashed leader, start timeout 0, candidate: releases", healthy, func(v *View) {
			down(v)
			v.Settings.PrimaryStartTimeout, v.Peers = 0, []Peer{peer("b", 5000)}
		}, Release, "leader-crashed-fail-over", "b can take over"},
		{"crashed leader, start timeout 0, nobody: restarts", healthy, func(v *View) {
			down(v)
			v.Settings.PrimaryStartTimeout, v.Peers = 0, []Peer{{Name: "b"}}
		}, StartPrimary, "leader-crashed-fail-over", ""},
		{"leader whose start failed gives way", healthy, func(v *View) { down(v); v.StartFailed, v.Peers = true, []Peer{peer("b", 5000)} }, Release, "leader-crashed-fail-over", ""},
		{"leader whose start failed, nobody else: backs off", healthy, func(v *View) {
			down(v)
			v.StartFailed, v.Peers, v.Backoff = true, []Peer{}, now.Add(time.Second)
		}, Wait, "leader-crashed-fail-over", "nobody"},
		{"lock holder down in recovery, start failed: gives way", healthy, func(v *View) {
			down(v)
			v.Instance.Standby, v.StartFailed, v.Peers = true, true, []Peer{peer("b", 5000)}
		}, Release, "leader-crashed-fail-over", ""},
		{"lock holder down in recovery", healthy, func(v *View) { down(v); v.Instance.Standby = true }, StartStandby, "leader-down-standby", ""},
		{"lock holder down, lease at its end", healthy, func(v *View) { down(v); v.Lease = proven(25 * time.Second) }, Wait, "lease-unproven", ""},
		{"lock holder read-only, lease over", standbyOf, func(v *View) { v.Lease = proven(25 * time.Second) }, Wait, "lease-unproven", ""},
		{"lock holder down, lease over, store silent: read-only", healthy, func(v *View) { down(v); v.Lease, v.StoreErr = proven(25*time.Second), "silent" }, StartStandby, "down-store-unreadable", ""},
		{"handed over: waits for the new leader", standbyOf, func(v *View) { down(v); free(v); v.HandedOver = now.Add(-time.Second) }, Wait, "await-new-leader", ""},
		{"handed over long ago: starts", standbyOf, func(v *View) { down(v); free(v); v.HandedOver = now.Add(-awaitLeader) }, StartStandby, "start-standby", "nobody"},
		{"down: compares with the leader first", standbyOf, func(v *View) { down(v); v.Divergence = cluster.DivergenceUnknown }, CheckDivergence, "down-check", ""},
		{"down and diverged: rewinds", standbyOf, func(v *View) { down(v); v.Divergence = cluster.DivergenceFound }, Rewind, "down-diverged", ""},
		{"down, diverged, no rewind, removal allowed", standbyOf, func(v *View) {
			down(v)
			v.Divergence, v.Settings.UsePgRewind, v.Settings.RemoveOnDivergence = cluster.DivergenceFound, false, true
		}, Reclone, "down-diverged", ""},
		{"former primary down, new leader not writable yet", standbyOf, func(v *View) {
			down(v)
			v.Instance.Standby = false
			v.Cluster.Members[1].Data.Role = cluster.RoleReplica
		}, Wait, "down-waiting-for-primary", ""},
		{"standby down: starts", standbyOf, down, StartStandby, "start-standby", "standby of b"},
		{"down, lock free: starts read-only", standbyOf, func(v *View) { down(v); free(v) }, StartStandby, "start-standby", ""},
	}
}

func TestRules(t *testing.T) {
	hit := map[string]bool{}
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			v := c.from()
			if c.with != nil {
				c.with(&v)
			}
			d := Decide(&v)
			if d.Verb != c.verb || d.Rule != c.rule || !strings.Contains(d.Reason, c.says) {
				t.Errorf("got %s by %q (%s), want %s by %q saying %q", d.Verb, d.Rule, d.Reason, c.verb, c.rule, c.says)
			}
			hit[d.Rule] = true
		})
	}
	for _, r := range Rules() {
		if !hit[r.Name] {
			t.Errorf("rule %q has no case", r.Name)
		}
	}
}

func TestRulesAreDocumentedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.Name] || r.Doc == "" {
			t.Errorf("rule %q is named twice or has no sentence", r.Name)
		}
		seen[r.Name] = true
	}
}
