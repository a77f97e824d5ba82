package cluster

import (
	"reflect"
	"testing"
	"time"
)

func TestParseMember(t *testing.T) {
	cases := map[string]struct {
		text string
		want MemberData
	}{
		"empty":              {``, MemberData{}},
		"empty object":       {`{}`, MemberData{}},
		"not JSON":           {`{"conn_url":`, MemberData{}},
		"not an object":      {`["postgres://h/"]`, MemberData{}},
		"nulls":              {`{"conn_url":null,"xlog_location":null,"tags":null,"timeline":null,"pause":null}`, MemberData{}},
		"wrong types":        {`{"conn_url":1,"state":[],"role":{},"version":4,"tags":[1],"xlog_location":"x","timeline":true,"scheduled_restart":"soon","pending_restart_reason":[]}`, MemberData{}},
		"connection string":  {`postgres://u@10.0.0.1:5432/db?application_name=http://10.0.0.1:8008/patroni&x=y`, MemberData{ConnURL: "postgres://u@10.0.0.1:5432/db", APIURL: "http://10.0.0.1:8008/patroni"}},
		"old scheme":         {`postgresql://h/db`, MemberData{ConnURL: "postgresql://h/db"}},
		"escaped API URL":    {`postgres://h:1/db?application_name=http%3A%2F%2Fh%3A8008%2Fpatroni`, MemberData{ConnURL: "postgres://h:1/db", APIURL: "http://h:8008/patroni"}},
		"broken string":      {"postgres://h:port/\x7f", MemberData{}},
		"digits as text":     {`{"xlog_location":"67109376","receive_lsn":" 5 ","replay_lsn":"4","timeline":"2"}`, MemberData{XLogLocation: 67109376, ReceiveLSN: 5, ReplayLSN: 4, Timeline: 2}},
		"beyond float64":     {`{"xlog_location":9007199254740993,"replay_lsn":9223372036854775807}`, MemberData{XLogLocation: 1<<53 + 1, ReplayLSN: 1<<63 - 1}},
		"impossible numbers": {`{"xlog_location":-1,"replay_lsn":1e300,"receive_lsn":"-1","timeline":4294967296}`, MemberData{}},
		"negative timeline":  {`{"timeline":-1}`, MemberData{}},
		"old primary":        {`{"role":"master","state":"running"}`, MemberData{Role: "master", State: StateRunning}},
		"unknown words":      {`{"role":"king","state":"dancing","more":1}`, MemberData{Role: "king", State: "dancing"}},
		"checkpoint pending": {`{"checkpoint_after_promote":false}`, MemberData{CheckpointPending: true}},
		"checkpoint done":    {`{"checkpoint_after_promote":true}`, MemberData{}},
		"flags as text":      {`{"pause":"true","pending_restart":"on"}`, MemberData{Pause: true, PendingRestart: true}},
		"keywords":           {`{"conn_kwargs":{"host":"h","port":5433,"dbname":"d"}}`, MemberData{ConnURL: "postgres://h:5433/d"}},
		"keywords, text":     {`{"conn_kwargs":{"host":"::1","port":"5433"}}`, MemberData{ConnURL: "postgres://[::1]:5433/postgres"}},
		"keywords, defaults": {`{"conn_kwargs":{"host":"h","port":null}}`, MemberData{ConnURL: "postgres://h:5432/postgres"}},
		"keywords, no host":  {`{"conn_kwargs":{"port":5432}}`, MemberData{}},
		"URL and keywords":   {`{"conn_url":"postgres://a:1/b","conn_kwargs":{"host":"h"}}`, MemberData{ConnURL: "postgres://a:1/b"}},
	}
	for name, c := range cases {
		if got := ParseMember("n0", []byte(c.text)); !reflect.DeepEqual(got, Member{Name: "n0", Data: c.want}) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, got.Data, c.want)
		}
	}
}

func TestParseMemberObjects(t *testing.T) {
	d := ParseMember("n0", []byte(`{"tags":{"b":1,"a":"x"},"pending_restart":true,"pending_restart_reason":{"g":{"old_value":"1","new_value":"2"}},`+
		`"scheduled_restart":{"schedule":"2030-01-01T00:00:00+00:00","role":"replica"}}`)).Data
	if got := encode(t, d.Tags); got != `{"b":1,"a":"x"}` {
		t.Errorf("tags: got %s", got)
	}
	if got := d.PendingRestartReason.String(); got != `{"g":{"old_value":"1","new_value":"2"}}` {
		t.Errorf("pending restart reason: got %s", got)
	}
	if got := d.ScheduledRestart.String(); got != `{"schedule":"2030-01-01T00:00:00+00:00","role":"replica"}` {
		t.Errorf("scheduled restart: got %s", got)
	}
}

func TestIsPrimary(t *testing.T) {
	for role, want := range map[Role]bool{
		RolePrimary: true, "master": true, RoleReplica: false, RoleStandbyLeader: false, RoleDemoted: false,
		RolePromoted: false, RoleUninitialized: false, "": false, "Primary": false,
	} {
		if got := (MemberData{Role: role}).IsPrimary(); got != want {
			t.Errorf("%q: got %v, want %v", role, got, want)
		}
	}
}

func TestParseFailover(t *testing.T) {
	at := time.Date(2030, 1, 1, 7, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		text         string
		want         Failover
		pending, due bool
	}{
		"empty":               {``, Failover{}, false, false},
		"blank":               {`{}`, Failover{}, false, false},
		"not an object":       {`["n0","n1"]`, Failover{}, false, false},
		"a number":            {`1`, Failover{}, false, false},
		"a JSON text":         {`"n0:n1"`, Failover{}, false, false},
		"legacy, both":        {`n0:n1`, Failover{Leader: "n0", Candidate: "n1"}, true, true},
		"legacy, leader":      {`n0:`, Failover{Leader: "n0"}, true, true},
		"legacy, candidate":   {`:n1`, Failover{Candidate: "n1"}, true, true},
		"legacy, no colon":    {`n0`, Failover{Leader: "n0"}, true, true},
		"legacy, neither":     {`:`, Failover{}, false, false},
		"cut off":             {`{"leader":"n0","member":"n1"`, Failover{Problem: "it is neither a JSON object nor leader:candidate"}, false, false},
		"switchover":          {`{"leader":"n0","member":"n1"}`, Failover{Leader: "n0", Candidate: "n1"}, true, true},
		"manual failover":     {` {"member" : "n1"} `, Failover{Candidate: "n1"}, true, true},
		"the body's word":     {`{"candidate":"n1"}`, Failover{}, false, false},
		"empty names":         {`{"leader":"","member":""}`, Failover{}, false, false},
		"names of other type": {`{"leader":1,"member":["n1"]}`, Failover{}, false, false},
		"scheduled":           {`{"leader":"n0","scheduled_at":"2030-01-01T10:00:00+03:00"}`, Failover{Leader: "n0", ScheduledAt: at}, true, false},
		"no time":             {`{"leader":"n0","scheduled_at":null}`, Failover{Leader: "n0"}, true, true},
		"empty time":          {`{"leader":"n0","scheduled_at":""}`, Failover{Leader: "n0"}, true, true},
		"a time alone":        {`{"scheduled_at":"2030-01-01T07:00:00Z"}`, Failover{ScheduledAt: at}, false, false},
		"traced":              {`{"member":"n1","traceparent":"00-1-2-01"}`, Failover{Candidate: "n1", TraceParent: "00-1-2-01"}, true, true},
		"garbage time":        {`{"leader":"n0","scheduled_at":"soon"}`, Failover{Problem: `scheduled_at "soon" is not an ISO 8601 time with offset`}, false, false},
		"time without offset": {`{"leader":"n0","scheduled_at":"2030-01-01T07:00:00"}`, Failover{Problem: `scheduled_at "2030-01-01T07:00:00" is not an ISO 8601 time with offset`}, false, false},
		"time as number":      {`{"leader":"n0","scheduled_at":1893481200}`, Failover{Problem: `scheduled_at "1893481200" is not an ISO 8601 time with offset`}, false, false},
	}
	for name, c := range cases {
		got := ParseFailover([]byte(c.text), 7)
		if !got.ScheduledAt.Equal(c.want.ScheduledAt) {
			t.Errorf("%s: scheduled at %v, want %v", name, got.ScheduledAt, c.want.ScheduledAt)
		}
		if got.Pending() != c.pending || got.Due() != c.due {
			t.Errorf("%s: pending %v, due %v, want %v, %v", name, got.Pending(), got.Due(), c.pending, c.due)
		}
		got.ScheduledAt, c.want.ScheduledAt = time.Time{}, time.Time{}
		c.want.Version, c.want.Exists = 7, true
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestParseTime(t *testing.T) {
	utc := func(h, m, s, ns int) time.Time { return time.Date(2030, 1, 1, h, m, s, ns, time.UTC) }
	for in, want := range map[string]time.Time{
		"2030-01-01T10:00:00Z":                utc(10, 0, 0, 0),
		"2030-01-01T10:00:00+00:00":           utc(10, 0, 0, 0),
		"2030-01-01T10:00:00+03:00":           utc(7, 0, 0, 0),
		"2030-01-01T10:00:00-0330":            utc(13, 30, 0, 0),
		"2030-01-01T10:00:00+03":              utc(7, 0, 0, 0),
		"2030-01-01T10:00Z":                   utc(10, 0, 0, 0),
		"2030-01-01T10:00+00":                 utc(10, 0, 0, 0),
		"2030-01-01T10:00+03:00":              utc(7, 0, 0, 0),
		"2030-01-01 10:00:05+03:00":           utc(7, 0, 5, 0),
		"2030-01-01 10:00Z":                   utc(10, 0, 0, 0),
		" 2030-01-01T10:00:00Z\n":             utc(10, 0, 0, 0),
		"2030-01-01T10:00:00.5Z":              utc(10, 0, 0, 500_000_000),
		"2030-01-01T10:00:00.123456+00:00":    utc(10, 0, 0, 123_456_000),
		"2030-01-01 10:00:00.123456789+00":    utc(10, 0, 0, 123_456_789),
		"2029-12-31T23:00:00-11:00":           utc(10, 0, 0, 0),
		"2030-01-02T00:00:00+14:00":           utc(10, 0, 0, 0),
		"2030-01-01T10:00:00,250+00:00":       utc(10, 0, 0, 250_000_000),
		"2030-01-01T10:00:00.000000001+00:00": utc(10, 0, 0, 1),
	} {
		if got, err := ParseTime(in); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v (%v), want %v", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "soon", "2030-01-01", "2030-01-01Z", "10:00Z", "2030-01-01T10Z", "2030-01-01T10:00", "2030-01-01T10:00:00",
		"2030-01-01T10:00:00 +03:00", "2030-01-01T10:00:00+3", "2030-01-01T10:00:00+03:00:00", "2030-02-30T10:00:00Z",
		"2030-13-01T10:00:00Z", "2030-01-01T25:00:00Z", "2030-01-01T10:60:00Z", "2030-01-01T10:00:00+24:00", "2030-01-01T10:00:00-2400", "2030-01-01T10:00+25:00",
		"2030-01-01T10:00:00Zx", "2030-01-01T10:00:00 UTC", "1893481200", "March 1 2030 12:00 UTC", "2030-1-1T10:00:00Z",
	} {
		if got, err := ParseTime(in); err == nil {
			t.Errorf("%q: got %v, want an error", in, got)
		}
	}
}

func TestParseSync(t *testing.T) {
	cases := map[string]struct {
		text string
		want SyncState
	}{
		"empty":                {``, SyncState{}},
		"switched off":         {`{}`, SyncState{}},
		"not JSON":             {`n0:n1`, SyncState{Broken: true}},
		"not an object":        {`["n0"]`, SyncState{Broken: true}},
		"no leader":            {`{"quorum":1,"sync_standby":"n1"}`, SyncState{}},
		"empty leader":         {`{"leader":"","sync_standby":"n1"}`, SyncState{}},
		"null leader":          {`{"leader":null,"sync_standby":"n1"}`, SyncState{}},
		"nobody in sync":       {`{"leader":"n0","quorum":0,"sync_standby":null}`, SyncState{Leader: "n0"}},
		"old release":          {`{"leader":"n0","sync_standby":"n1"}`, SyncState{Leader: "n0", Standbys: []string{"n1"}}},
		"quorum":               {`{"leader":"n0","quorum":1,"sync_standby":"n1,n2"}`, SyncState{Leader: "n0", Quorum: 1, Standbys: []string{"n1", "n2"}}},
		"quorum as text":       {`{"leader":"n0","quorum":"1","sync_standby":"n1"}`, SyncState{Leader: "n0", Quorum: 1, Standbys: []string{"n1"}}},
		"null quorum":          {`{"leader":"n0","quorum":null,"sync_standby":""}`, SyncState{Leader: "n0"}},
		"blanks and commas":    {`{"leader":"n0","sync_standby":" n1 ,, n2,"}`, SyncState{Leader: "n0", Standbys: []string{"n1", "n2"}}},
		"standbys as a list":   {`{"leader":"n0","sync_standby":["n1"]}`, SyncState{Leader: "n0", Broken: true}},
		"standbys as a number": {`{"leader":"n0","sync_standby":1}`, SyncState{Leader: "n0", Broken: true}},
	}
	for name, c := range cases {
		c.want.Version, c.want.Exists = 3, true
		got := ParseSync([]byte(c.text), 3)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
		if got.Active() != (c.want.Leader != "") {
			t.Errorf("%s: active is %v", name, got.Active())
		}
	}
}

func TestSyncIgnoresCase(t *testing.T) {
	s := SyncState{Leader: "Node0", Standbys: []string{"node1", "NODE2"}}
	for name, want := range map[string]struct{ contains, standby bool }{
		"node0": {true, false}, "NODE0": {true, false}, "Node1": {true, true}, "node2": {true, true}, "node3": {}, "node": {},
	} {
		if s.Contains(name) != want.contains || s.HasStandby(name) != want.standby {
			t.Errorf("%s: contains %v, standby %v, want %v", name, s.Contains(name), s.HasStandby(name), want)
		}
	}
}

func TestParseStatus(t *testing.T) {
	slots := map[string]LSN{"a": 1, "b": 2}
	cases := map[string]struct {
		text string
		want Status
	}{
		"empty":                {``, Status{}},
		"not JSON":             {`0/16B3748`, Status{}},
		"not an object":        {`[1]`, Status{}},
		"bare number":          {`67109376`, Status{Optime: 67109376}},
		"bare, with newline":   {"67109376\n", Status{Optime: 67109376}},
		"bare, beyond 2^53":    {`9007199254740993`, Status{Optime: 1<<53 + 1}},
		"bare, negative":       {`-1`, Status{}},
		"optime alone":         {`{"optime":67109376}`, Status{Optime: 67109376}},
		"optime, beyond 2^53":  {`{"optime":9007199254740993}`, Status{Optime: 1<<53 + 1}},
		"optime as text":       {`{"optime":"67109376"}`, Status{Optime: 67109376}},
		"optime negative":      {`{"optime":-1}`, Status{}},
		"optime null":          {`{"optime":null,"slots":null,"retain_slots":null}`, Status{}},
		"slots":                {`{"optime":5,"slots":{"a":1,"b":"2"}}`, Status{Optime: 5, Slots: slots}},
		"slots as text":        {`{"optime":5,"slots":"{\"a\":1,\"b\":2}"}`, Status{Optime: 5, Slots: slots}},
		"slots without optime": {`{"slots":{"a":1,"b":2}}`, Status{Slots: slots}},
		"odd slots":            {`{"optime":5,"slots":{"a":1,"b":2,"c":null,"d":{},"e":"x","f":-1}}`, Status{Optime: 5, Slots: slots}},
		"slots as a list":      {`{"optime":5,"slots":["a"]}`, Status{Optime: 5}},
		"slots as other text":  {`{"optime":5,"slots":"a,b","retain_slots":"a,b"}`, Status{Optime: 5}},
		"claims":               {`{"optime":5,"retain_slots":["b","a"]}`, Status{Optime: 5, RetainSlots: []string{"b", "a"}}},
		"claims as text":       {`{"optime":5,"retain_slots":"[\"a\",\"b\"]"}`, Status{Optime: 5, RetainSlots: []string{"a", "b"}}},
		"odd claims":           {`{"optime":5,"retain_slots":["a",1,null]}`, Status{Optime: 5, RetainSlots: []string{"a"}}},
		"claims as an object":  {`{"optime":5,"retain_slots":{"a":1}}`, Status{Optime: 5}},
	}
	for name, c := range cases {
		if got := ParseStatus([]byte(c.text)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestParseHistory(t *testing.T) {
	cases := map[string]struct {
		text     string
		want     History
		timeline Timeline
	}{
		"empty":            {``, nil, 0},
		"null":             {`null`, nil, 0},
		"not JSON":         {`1 0/5 reason`, nil, 0},
		"an object":        {`{}`, nil, 0},
		"text after":       {`[] []`, nil, 0},
		"rows of objects":  {`[{}]`, nil, 0},
		"null row":         {`[null]`, nil, 0},
		"short row":        {`[[1,2]]`, nil, 0},
		"text timeline":    {`[["x",2,"r"]]`, nil, 0},
		"null position":    {`[[1,null,"r"]]`, nil, 0},
		"negative":         {`[[1,-2,"r"]]`, nil, 0},
		"timeline too big": {`[[4294967296,2,"r"]]`, nil, 0},
		"no rows":          {`[]`, History{}, 1},
		"three":            {`[[1,2,"r"]]`, History{{1, 2, "r", "", ""}}, 2},
		"four":             {`[[1,2,"r","2026-01-02T03:04:05+00:00"]]`, History{{1, 2, "r", "2026-01-02T03:04:05+00:00", ""}}, 2},
		"five":             {`[[7,9007199254740993,"r","2026-01-02T03:04:05+00:00","n1"]]`, History{{7, 1<<53 + 1, "r", "2026-01-02T03:04:05+00:00", "n1"}}, 8},
		"six":              {`[[1,2,"r","t","n1",true]]`, History{{1, 2, "r", "t", "n1"}}, 2},
		"digits as text":   {`[["1","2","r"]]`, History{{1, 2, "r", "", ""}}, 2},
		"odd last fields":  {`[[1,2,"r",null,5]]`, History{{1, 2, "r", "", ""}}, 2},
		"mixed, blanks":    {" [ [1, 2, \"r\"],\n [2, 3, \"s\", \"t\", \"n1\"] ] ", History{{1, 2, "r", "", ""}, {2, 3, "s", "t", "n1"}}, 3},
	}
	for name, c := range cases {
		got := ParseHistory([]byte(c.text))
		if !reflect.DeepEqual(got, c.want) || got.ClusterTimeline() != c.timeline {
			t.Errorf("%s: got %+v, timeline %d, want %+v, %d", name, got, got.ClusterTimeline(), c.want, c.timeline)
		}
	}
}
