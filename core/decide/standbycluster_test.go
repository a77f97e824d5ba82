package decide

import (
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// remoteSettings make a view's cluster a standby cluster.
func remoteSettings(v *View) {
	v.Settings.StandbyCluster = &cluster.StandbyCluster{Host: "10.0.0.9", Port: "5433"}
}

// standbyLed is a's view as the leader of a standby cluster.
func standbyLed() View {
	v := standbyOf()
	remoteSettings(&v)
	v.Lease = proven(time.Second)
	v.Cluster.Leader = &cluster.Leader{Name: "a", Session: 1, Epoch: 7}
	v.Cluster.Members[0].Data.Role, v.Cluster.Members[1].Data.Role = cluster.RoleStandbyLeader, cluster.RoleReplica
	return v
}

// standbyFollower is a's view as a replica in a standby cluster that b leads.
func standbyFollower() View {
	v := standbyOf()
	remoteSettings(&v)
	v.Cluster.Members[1].Data.Role = cluster.RoleStandbyLeader
	return v
}

func standbyClusterCases() []testCase {
	return []testCase{
		{"cascading: follows the named member", standbyOf, func(v *View) { tag(v, "replicatefrom", "c"); v.FollowsTarget = false }, Follow, "follow", "replicatefrom c"},
		{"cascading: says whom it follows", standbyOf, func(v *View) { tag(v, "replicatefrom", "c") }, Wait, "standby", "following c, leader b"},
		{"nostream: stops to stream", standbyOf, func(v *View) { tag(v, "nostream", true); v.FollowsTarget = false }, Follow, "follow", "archive only"},
		{"nostream: starts without an upstream", standbyOf, func(v *View) { tag(v, "nostream", true); down(v) }, StartStandby, "start-standby", ""},
		{"nostream in pause: stops to stream", standbyOf, func(v *View) { v.Settings.Pause = true; tag(v, "nostream", true); v.FollowsTarget = false }, Follow, "paused-follow", "archive only"},
		{"standby cluster: the leader leads and is not promoted", standbyLed, nil, Lead, "standby-lead", "10.0.0.9:5433"},
		{"standby cluster: section removed, promote", standbyLed, func(v *View) { v.Settings.StandbyCluster = nil }, Promote, "promote", ""},
		{"standby cluster: the leader is pointed at the remote", standbyLed, func(v *View) { v.FollowsTarget = false }, Follow, "standby-leader-follow", "remote"},
		{"standby cluster: the leader's log is compared with the remote's", standbyLed, func(v *View) { v.Divergence = cluster.DivergenceUnknown }, CheckDivergence, "standby-leader-check", "remote"},
		{"standby cluster: the remote cannot tell, leads on", standbyLed, func(v *View) { v.Divergence, v.RemoteSilent = cluster.DivergenceUnknown, true }, Lead, "standby-lead", ""},
		{"standby cluster: the leader has diverged from the remote", standbyLed, func(v *View) { v.Divergence = cluster.DivergenceFound }, Rewind, "standby-cluster-diverged", ""},
		{"standby cluster: the leader has diverged and cannot rewind", standbyLed, func(v *View) {
			v.Divergence, v.RewindFailed, v.Settings.RemoveOnRewindFailure, v.Peers = cluster.DivergenceFound, true, true, []Peer{}
		}, Wait, "standby-cluster-diverged", "copy this cluster anew"},
		{"standby cluster: the diverged leader gives way to who can lead", standbyLed, func(v *View) {
			v.Divergence, v.RewindFailed, v.Peers = cluster.DivergenceFound, true, []Peer{peer("b", 9000)}
		}, Release, "standby-cluster-diverged", "b can take over"},
		{"standby cluster: the leader's replay waits for higher settings", standbyLed, func(v *View) { v.Instance.ReplayStalled = true }, Restart, "replay-stalled", ""},
		{"standby cluster: an archive is not asked", standbyLed, func(v *View) {
			v.Divergence, v.Settings.StandbyCluster = cluster.DivergenceUnknown, &cluster.StandbyCluster{RestoreCommand: "cp"}
		}, Lead, "standby-lead", "the archive"},
		{"standby cluster: restart of the leader", standbyLed, func(v *View) { v.Restart = true }, Restart, "restart", ""},
		{"standby cluster: switchover asks first", standbyLed, func(v *View) { v.Cluster.Failover = cluster.Failover{Leader: "a"} }, AskPeers, "standby-hand-over", ""},
		{"standby cluster: switchover steps down", standbyLed, func(v *View) {
			v.Cluster.Failover, v.Peers = cluster.Failover{Leader: "a", Candidate: "c"}, []Peer{peer("c", 5000)}
		}, StepDown, "standby-hand-over", "c takes over"},
		{"standby cluster: the leader is down", standbyLed, down, StartStandby, "standby-leader-start", "remote"},
		{"standby cluster: the leader is down, not compared yet", standbyLed, func(v *View) { down(v); v.Divergence = cluster.DivergenceUnknown }, CheckDivergence, "standby-cluster-check", ""},
		{"standby cluster: the leader is down and diverged", standbyLed, func(v *View) { down(v); v.Divergence = cluster.DivergenceFound }, Rewind, "standby-cluster-diverged", ""},
		{"standby cluster: the leader cannot be started, somebody else can", standbyLed, func(v *View) {
			down(v)
			v.StartFailed, v.Peers = true, []Peer{peer("c", 5000)}
		}, Release, "standby-leader-start", "c can take over"},
		{"standby cluster: a crashed former primary becomes a standby", standbyLed, func(v *View) { down(v); v.Instance.Standby = false; v.RemoteSilent = true }, StartStandby, "standby-leader-start", ""},
		{"standby cluster: a primary with the lock is demoted in order", healthy, remoteSettings, DemoteCluster, "demote-cluster", ""},
		{"standby cluster: a primary without the lock stops in order too", healthy, func(v *View) {
			remoteSettings(v)
			v.Lease, v.Cluster.Leader.Name = lease.Lease{}, "b"
		}, Demote, "primary-without-lease", ""},
		{"standby cluster: a replica follows the leader", standbyFollower, nil, Wait, "standby", "following b"},
		{"standby cluster: a replica is compared with the remote", standbyFollower, func(v *View) { v.Divergence = cluster.DivergenceUnknown }, CheckDivergence, "check", "remote"},
		{"standby cluster: a diverged replica that cannot rewind is copied", standbyFollower, func(v *View) {
			v.Divergence, v.RewindFailed, v.Settings.RemoveOnRewindFailure = cluster.DivergenceFound, true, true
		}, Reclone, "standby-cluster-diverged", ""},
		{"standby cluster: an empty member copies the standby leader", standbyFollower, empty, Clone, "clone", "copying b"},
		{"standby cluster: a former primary does not wait for a primary", standbyFollower, func(v *View) { down(v); v.Instance.Standby, v.RemoteSilent = false, true }, StartStandby, "start-standby", "standby of b"},
		{"standby cluster: lock free, timelines do not count", standbyFollower, func(v *View) {
			free(v)
			v.Settings.CheckTimeline, v.Cluster.History, v.Peers = true, cluster.History{{Timeline: 1}}, []Peer{peer("b", 5000)}
		}, Acquire, "race", ""},
		{"standby cluster: the candidate takes the released lock", standbyFollower, func(v *View) {
			free(v)
			v.Cluster.Failover = cluster.Failover{Leader: "b", Candidate: "a"}
		}, Acquire, "race-candidate", ""},
		{"standby cluster in pause: the leader keeps the lock", standbyLed, func(v *View) { v.Settings.Pause = true }, Lead, "paused-lead", ""},
		{"standby cluster in pause: a primary is left alone", healthy, func(v *View) { remoteSettings(v); v.Settings.Pause = true }, Lead, "paused-lead", ""},
	}
}

func TestWhomAStandbyClusterFollows(t *testing.T) {
	for name, c := range map[string]struct {
		from func() View
		with func(*View)
		want string // host of the target
	}{
		"the leader":                {standbyLed, nil, "10.0.0.9"},
		"a replica":                 {standbyFollower, nil, "127.0.0.1"},
		"a replica, nobody leads":   {standbyFollower, free, "10.0.0.9"},
		"a replica, nobody, paused": {standbyFollower, func(v *View) { free(v); v.Settings.Pause = true }, ""},
		"a leader tagged nostream":  {standbyLed, func(v *View) { tag(v, "nostream", true) }, ""},
	} {
		v := c.from()
		if c.with != nil {
			c.with(&v)
		}
		got := ""
		if up := Target(&v); up != nil {
			got = up.Host
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// tagMember gives another member a tag.
func tagMember(v *View, i int, key string, value any) {
	o := v.Cluster.Members[i].Data.Tags.Object().Clone()
	o.Set(key, value)
	v.Cluster.Members[i].Data.Tags = cluster.NewTags(o)
}

// tag gives the own node a tag.
func tag(v *View, key string, value any) {
	o := v.Tags.Object().Clone()
	o.Set(key, value)
	v.Tags = cluster.NewTags(o)
}
