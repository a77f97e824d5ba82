package cluster

import (
	"testing"
	"time"
)

// object parses a JSON text that a test wrote.
func object(t *testing.T, text string) *Object {
	t.Helper()
	o, err := ParseObject([]byte(text))
	if err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	return o
}

// encode returns the bytes that go into a key.
func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := EncodeJSON(v)
	if err != nil {
		t.Fatalf("encode %v: %v", v, err)
	}
	return string(b)
}

func TestMemberBytes(t *testing.T) {
	least := MemberData{
		ConnURL: "postgres://10.0.0.1:5432/postgres", APIURL: "http://10.0.0.1:8008/patroni",
		State: StateStopped, Role: RoleReplica, Version: "4.1.4",
	}
	const head = `{"conn_url":"postgres://10.0.0.1:5432/postgres","api_url":"http://10.0.0.1:8008/patroni",`
	cases := map[string]struct {
		change func(*MemberData)
		want   string
	}{
		"only what is always there": {
			func(*MemberData) {},
			`"state":"stopped","role":"replica","version":"4.1.4"}`,
		},
		"primary before its checkpoint": {
			func(d *MemberData) {
				d.State, d.Role, d.CheckpointPending, d.XLogLocation, d.Timeline = StateRunning, RolePrimary, true, 1<<53+1, 2
			},
			`"state":"running","role":"primary","version":"4.1.4","checkpoint_after_promote":false,"xlog_location":9007199254740993,"timeline":2}`,
		},
		"everything at once, in the documented order": {
			func(d *MemberData) {
				d.State, d.ProxyURL, d.CheckpointPending = StateRunning, "postgres://10.0.0.9:6432/postgres", true
				d.Tags = NewTags(object(t, `{"zone":"süd","nosync":true,"sync_priority":0}`))
				d.PendingRestart, d.PendingRestartReason = true, object(t, `{"max_connections":{"old_value":"100","new_value":"200"}}`)
				d.XLogLocation, d.ReplayLSN, d.ReceiveLSN = 67109376, 67109375, 67109376
				d.ReplicationState, d.Timeline, d.Pause = "in archive recovery", 4294967295, true
				d.ScheduledRestart = object(t, `{"schedule":"2030-01-01T10:00:00+03:00","postmaster_start_time":"2026-01-01 00:00:00.000001+00:00"}`)
			},
			`"state":"running","role":"replica","version":"4.1.4","proxy_url":"postgres://10.0.0.9:6432/postgres","checkpoint_after_promote":false,` +
				`"tags":{"zone":"s\u00fcd","nosync":true,"sync_priority":0},"pending_restart":true,` +
				`"pending_restart_reason":{"max_connections":{"old_value":"100","new_value":"200"}},` +
				`"xlog_location":67109376,"replay_lsn":67109375,"receive_lsn":67109376,"replication_state":"in archive recovery","timeline":4294967295,` +
				`"scheduled_restart":{"schedule":"2030-01-01T10:00:00+03:00","postmaster_start_time":"2026-01-01 00:00:00.000001+00:00"},"pause":true}`,
		},
		"a data directory is being made": {
			func(d *MemberData) {
				d.Build = Build{Method: "basebackup", Attempt: 2, Phase: "copy", Done: 50, Total: 200, Failed: []BuildFailure{{"tape", "no tape"}}}.Summary()
			},
			`"state":"stopped","role":"replica","version":"4.1.4",` +
				`"pgregent":{"build":{"method":"basebackup","attempt":2,"phase":"copy","bytes_done":50,"bytes_total":200,"percent":25,"failed":["tape"]}}}`,
		},
		"empty objects are left out": {
			func(d *MemberData) {
				d.Tags, d.PendingRestart, d.PendingRestartReason, d.ScheduledRestart = NewTags(&Object{}), true, &Object{}, &Object{}
			},
			`"state":"stopped","role":"replica","version":"4.1.4","pending_restart":true}`,
		},
		"a reason without a restart is left out": {
			func(d *MemberData) { d.PendingRestartReason = object(t, `{"a":1}`) },
			`"state":"stopped","role":"replica","version":"4.1.4"}`,
		},
	}
	for name, c := range cases {
		d := least
		c.change(&d)
		if got, want := encode(t, d), head+c.want; got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
	}
}

func TestFailoverBytes(t *testing.T) {
	at := time.Date(2030, 1, 1, 10, 0, 0, 0, time.FixedZone("", 3*3600))
	cases := map[string]struct {
		f    Failover
		want string
	}{
		"no request":           {Failover{Exists: true, Version: 3, Problem: "x"}, `{}`},
		"switchover":           {Failover{Leader: "n0"}, `{"leader":"n0"}`},
		"manual failover":      {Failover{Candidate: "n1"}, `{"member":"n1"}`},
		"scheduled switchover": {Failover{Leader: "n0", Candidate: "n1", ScheduledAt: at}, `{"leader":"n0","member":"n1","scheduled_at":"2030-01-01T10:00:00+03:00"}`},
		"UTC has an offset":    {Failover{Leader: "n0", ScheduledAt: at.UTC()}, `{"leader":"n0","scheduled_at":"2030-01-01T07:00:00+00:00"}`},
		"microseconds":         {Failover{Leader: "n0", ScheduledAt: at.Add(123456789 * time.Nanosecond)}, `{"leader":"n0","scheduled_at":"2030-01-01T10:00:00.123456+03:00"}`},
		"traced":               {Failover{Leader: "n0", TraceParent: "00-1-2-01"}, `{"leader":"n0","traceparent":"00-1-2-01"}`},
	}
	for name, c := range cases {
		if got := string(c.f.Encode()); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestSyncBytes(t *testing.T) {
	cases := map[string]struct {
		s    SyncState
		want string
	}{
		"switched off":              {SyncState{Quorum: 1, Standbys: []string{"n1"}}, `{}`},
		"enabled, nobody in sync":   {SyncState{Leader: "n0"}, `{"leader":"n0","quorum":0,"sync_standby":null}`},
		"one standby":               {SyncState{Leader: "n0", Standbys: []string{"n1"}}, `{"leader":"n0","quorum":0,"sync_standby":"n1"}`},
		"quorum, sorted, no blanks": {SyncState{Leader: "n0", Quorum: 1, Standbys: []string{"n2", "n1"}}, `{"leader":"n0","quorum":1,"sync_standby":"n1,n2"}`},
	}
	for name, c := range cases {
		if got := string(c.s.Encode()); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	names := []string{"n2", "n1"}
	SyncState{Leader: "n0", Standbys: names}.Encode()
	if names[0] != "n2" {
		t.Error("encoding sorted the standbys of the shared value")
	}
}

func TestStatusBytes(t *testing.T) {
	cases := map[string]struct {
		s    Status
		want string
	}{
		"nothing known":      {Status{}, `{"optime":0}`},
		"empty parts":        {Status{Optime: 1, Slots: map[string]LSN{}, RetainSlots: []string{}}, `{"optime":1}`},
		"above 2^53":         {Status{Optime: 1<<63 - 1}, `{"optime":9223372036854775807}`},
		"sorted slots":       {Status{Optime: 67109376, Slots: map[string]LSN{"n1": 67109000, "n0": 67109376}}, `{"optime":67109376,"slots":{"n0":67109376,"n1":67109000}}`},
		"sorted slot claims": {Status{Optime: 5, Slots: map[string]LSN{"a": 1}, RetainSlots: []string{"n2", "n1"}}, `{"optime":5,"slots":{"a":1},"retain_slots":["n1","n2"]}`},
	}
	for name, c := range cases {
		if got := string(c.s.Encode()); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestHistoryBytes(t *testing.T) {
	const at = "2026-01-02T03:04:05.678901+02:00"
	cases := map[string]struct {
		h    History
		want string
	}{
		"absent":   {nil, `[]`},
		"empty":    {History{}, `[]`},
		"five":     {History{{1, 25623960, "no recovery target specified", at, "n1"}}, `[[1,25623960,"no recovery target specified","` + at + `","n1"]]`},
		"four":     {History{{1, 2, "r", at, ""}}, `[[1,2,"r","` + at + `"]]`},
		"three":    {History{{Timeline: 1, LSN: 1<<53 + 1, Reason: "<é>"}}, `[[1,9007199254740993,"<\u00e9>"]]`},
		"two rows": {History{{1, 2, "r", "", ""}, {2, 3, "s", "", ""}}, `[[1,2,"r"],[2,3,"s"]]`},
		"no time":  {History{{1, 2, "r", "", "n1"}}, `[[1,2,"r","","n1"]]`},
	}
	for name, c := range cases {
		if got := encode(t, c.h); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

// The config and failsafe keys hold objects as they were given.
func TestObjectBytesStayAsTheyWere(t *testing.T) {
	for _, text := range []string{
		`{}`,
		`{"ttl":30,"loop_wait":10,"retry_timeout":10,"maximum_lag_on_failover":1048576,"postgresql":{"use_pg_rewind":true,"parameters":{"wal_level":"replica"}}}`,
		`{"n0":"http://10.0.0.1:8008/patroni","n1":"http://[::1]:8008/patroni"}`,
		`{"z":1,"a":{"y":null,"b":[]},"m":[{"q":{},"c":[1,[2]]}],"archive_command":"cp <%p> \"/x\" && true\n"}`,
		`{"big":9007199254740993,"huge":123456789012345678901234567890,"float":1.10,"exp":1E+2,"neg":-0,"off":false}`,
	} {
		if got := object(t, text).String(); got != text {
			t.Errorf("got %s, want %s", got, text)
		}
	}
}
