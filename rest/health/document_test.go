package health

import (
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := cluster.SpacedJSON(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func object(t *testing.T, s string) *cluster.Object {
	t.Helper()
	o, err := cluster.ParseObject([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestDocument(t *testing.T) {
	leader := primary()
	leader.Tags = cluster.NewTags(object(t, `{"zone": "a", "nofailover": false}`))
	leader.Instance.Replication = []cluster.WALSender{{User: "repl", ApplicationName: "db2", ClientAddr: "192.0.2.12", State: "streaming", SyncState: "sync", SyncPriority: 1}}

	standby := replica()
	standby.Settings.SynchronousMode, standby.Settings.Pause = "on", true
	standby.Cluster.Sync = cluster.SyncState{Leader: "db1", Standbys: []string{"db2"}}
	standby.Instance.StartTime = time.Date(2026, 3, 1, 8, 0, 4, 0, time.UTC)
	standby.Instance.ReplayLSN = 83886000
	standby.Instance.ReplayedAt = time.Date(2026, 3, 1, 8, 59, 58, 10203000, time.UTC)
	standby.Instance.PendingRestart = true
	standby.Instance.PendingReason = object(t, `{"max_connections": {"old_value": "100", "new_value": "150"}}`)
	standby.Member.ScheduledRestart = object(t, `{"schedule": "2026-03-02T01:00:00+00:00", "postgres_version": "16.5", "postmaster_start_time": "x"}`)

	stopped := replica()
	stopped.Name = "db3"
	stopped.Instance = cluster.Instance{State: cluster.StateStopped, SystemID: "7480000000000000001"}
	stopped.Cluster.Leader = nil

	unanswered := replica()
	unanswered.Instance = cluster.Instance{State: cluster.StateRunning, Running: true}
	unanswered.Cluster = nil
	unanswered.Rule, unanswered.Job = "store-unreadable", "restart"

	fresh := replica()
	fresh.Instance.Timeline, fresh.Instance.ReceiveLSN = 0, 0

	for name, c := range map[string]struct {
		s    *cluster.NodeStatus
		want string
	}{
		"leader":                             {leader, `{"state": "running", "postmaster_start_time": "2026-03-01 08:00:01.250000+00:00", "role": "primary", "server_version": 160004, "xlog": {"location": 83886416}, "timeline": 4, "replication": [{"usename": "repl", "application_name": "db2", "client_addr": "192.0.2.12", "state": "streaming", "sync_state": "sync", "sync_priority": 1}], "dcs_last_seen": 1772355610, "tags": {"zone": "a"}, "database_system_identifier": "7480000000000000001", "patroni": {"version": "4.1.4", "scope": "shop", "name": "db1"}}`},
		"synchronous standby":                {standby, `{"state": "running", "postmaster_start_time": "2026-03-01 08:00:04+00:00", "role": "replica", "server_version": 160004, "xlog": {"received_location": 83886416, "replayed_location": 83886000, "replayed_timestamp": "2026-03-01 08:59:58.010203+00:00", "paused": false}, "sync_standby": true, "timeline": 4, "replication_state": "streaming", "pause": true, "dcs_last_seen": 1772355610, "database_system_identifier": "7480000000000000001", "pending_restart": true, "pending_restart_reason": {"max_connections": {"old_value": "100", "new_value": "150"}}, "patroni": {"version": "4.1.4", "scope": "shop", "name": "db2"}, "scheduled_restart": {"schedule": "2026-03-02T01:00:00+00:00", "postgres_version": "16.5"}}`},
		"stopped":                            {stopped, `{"state": "stopped", "role": "replica", "cluster_unlocked": true, "dcs_last_seen": 1772355610, "database_system_identifier": "7480000000000000001", "patroni": {"version": "4.1.4", "scope": "shop", "name": "db3"}}`},
		"running but no answer":              {unanswered, `{"state": "unknown", "role": "replica", "cluster_unlocked": true, "dcs_last_seen": 1772355610, "patroni": {"version": "4.1.4", "scope": "shop", "name": "db2"}, "pgregent": {"job": "restart", "rule": "store-unreadable"}}`},
		"unknown timeline, nothing received": {fresh, `{"state": "running", "postmaster_start_time": "2026-03-01 08:00:01.250000+00:00", "role": "replica", "server_version": 160004, "xlog": {"received_location": 83886416, "replayed_location": 83886416, "replayed_timestamp": null, "paused": false}, "timeline": null, "replication_state": "streaming", "dcs_last_seen": 1772355610, "database_system_identifier": "7480000000000000001", "patroni": {"version": "4.1.4", "scope": "shop", "name": "db2"}}`},
		"nothing known":                      {&cluster.NodeStatus{}, `{"state": "unknown", "role": "uninitialized", "cluster_unlocked": true, "dcs_last_seen": 0, "patroni": {"version": "4.1.4", "scope": "", "name": ""}}`},
	} {
		if got := text(t, Document(c.s)); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
}

func member(name string, d cluster.MemberData) cluster.Member {
	d.ConnURL = "postgres://192.0.2.1" + name[2:] + ":5432/postgres"
	d.APIURL = "http://192.0.2.1" + name[2:] + ":8008/patroni"
	return cluster.Member{Name: name, Data: d}
}

func TestClusterDocument(t *testing.T) {
	view := &cluster.Cluster{
		Leader: &cluster.Leader{Name: "db1"},
		Members: []cluster.Member{
			member("db1", cluster.MemberData{State: cluster.StateRunning, Role: cluster.RolePrimary, Timeline: 4, XLogLocation: 83886416}),
			member("db2", cluster.MemberData{
				State: cluster.StateRunning, ReplicationState: "streaming", Timeline: 4, Tags: cluster.NewTags(object(t, `{"zone": "b"}`)),
				XLogLocation: 83886416, ReceiveLSN: 83886416, ReplayLSN: 83886000,
			}),
			member("db3", cluster.MemberData{State: cluster.StateStopped}),
		},
		Config:   cluster.DynamicConfig{Object: object(t, `{"pause": "on", "synchronous_mode": true}`)},
		Sync:     cluster.SyncState{Leader: "db1", Standbys: []string{"db2"}},
		Status:   cluster.Status{Optime: 83886416},
		Failover: cluster.Failover{Leader: "db1", Candidate: "db2", ScheduledAt: time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC)},
	}
	const want = `{"members": [{"name": "db1", "role": "leader", "state": "running", "api_url": "http://192.0.2.11:8008/patroni", "host": "192.0.2.11", "port": 5432, "timeline": 4}, {"name": "db2", "role": "sync_standby", "state": "streaming", "api_url": "http://192.0.2.12:8008/patroni", "host": "192.0.2.12", "port": 5432, "timeline": 4, "tags": {"zone": "b"}, "receive_lag": 0, "receive_lsn": "0/5000150", "replay_lag": 416, "replay_lsn": "0/4FFFFB0", "lag": 0, "lsn": "0/5000150"}, {"name": "db3", "role": "replica", "state": "stopped", "api_url": "http://192.0.2.13:8008/patroni", "host": "192.0.2.13", "port": 5432, "receive_lag": "unknown", "receive_lsn": "unknown", "replay_lag": "unknown", "replay_lsn": "unknown", "lag": "unknown", "lsn": "unknown"}], "pause": true, "scheduled_switchover": {"at": "2026-03-02T01:00:00+00:00", "from": "db1", "to": "db2"}, "scope": "shop"}`
	if got := text(t, ClusterDocument(view, "shop")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	const empty = `{"members": [], "scope": "shop"}`
	if got := text(t, ClusterDocument(&cluster.Cluster{}, "shop")); got != empty {
		t.Errorf("got  %s\nwant %s", got, empty)
	}
}

func TestClusterRoles(t *testing.T) {
	for name, c := range map[string]struct{ config, leader, db1, db2 string }{
		"synchronous mode off":  {`{}`, "db1", "leader", "replica"},
		"synchronous mode on":   {`{"synchronous_mode": "on"}`, "db1", "leader", "sync_standby"},
		"quorum":                {`{"synchronous_mode": "quorum"}`, "db1", "leader", "quorum_standby"},
		"standby cluster":       {`{"standby_cluster": {"port": 1}, "synchronous_mode": "on"}`, "db1", "standby_leader", "replica"},
		"leader without member": {`{}`, "db9", "replica", "replica"},
	} {
		view := &cluster.Cluster{
			Leader: &cluster.Leader{Name: c.leader}, Sync: cluster.SyncState{Standbys: []string{"db2"}},
			Members: []cluster.Member{member("db1", cluster.MemberData{}), member("db2", cluster.MemberData{})},
			Config:  cluster.DynamicConfig{Object: object(t, c.config)},
		}
		rows := ClusterDocument(view, "s").Get("members").([]any)
		for i, want := range []string{c.db1, c.db2} {
			if got := rows[i].(*cluster.Object).Get("role"); got != want {
				t.Errorf("%s, member %d: got %v, want %v", name, i+1, got, want)
			}
		}
	}
}
