package health

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// now is the instant of all checks; leases end around it.
const now = lease.Instant(100 * time.Second)

func TestMatrix(t *testing.T) {
	nodes := matrixNodes(t)
	for _, row := range []struct{ paths, codes string }{ // columns A to L of the reference
		{"/ /primary /master /read-write", "A....... .J.L"},
		{"/leader", "A....F.. .J.L"},
		{"/standby-leader /standby_leader", ".....F.. ...."},
		{"/replica /replica/ /foo-replica", "..CDE.G. ..K."},
		{"/read-only", "A.CDEFG. .JKL"},
		{"/sync /synchronous", "...D.... ...."},
		{"/async /asynchronous", "..C...G. ...."},
		{"/read-only-sync /read-only-synchronous", "A..D.F.. .J.."},
		{"/quorum", "....E... ...."},
		{"/read-only-quorum", "A...EF.. .J.."},
		{"/health /healthz", "ABCDEFGH ..KL"},
		{"/foo-primary /primary/x", "A....... .J.L"},
		{"/async/ /sync/x /foo /reload /livez * /patroni /%70rimary /Primary", "........ ...."},
	} {
		codes := strings.ReplaceAll(row.codes, " ", "")
		for path := range strings.FieldsSeq(row.paths) {
			for i, column := range "ABCDEFGHIJKL" {
				want := 503
				if codes[i] != '.' {
					want = 200
				}
				if got := Check(nodes[string(column)], now, path, ""); got != want {
					t.Errorf("node %c, %s: got %d, want %d", column, path, got, want)
				}
			}
		}
	}
}

func TestAliasesAreAllKnown(t *testing.T) {
	used := map[string]bool{}
	for _, path := range Aliases() {
		for _, r := range rules {
			if r.match(path) {
				used[r.name] = true
				break
			}
		}
	}
	for _, r := range rules {
		if !used[r.name] {
			t.Errorf("rule %q has no alias", r.name)
		}
	}
}

func TestReadinessMatrix(t *testing.T) {
	nodes := matrixNodes(t)
	want := map[string]int{"A": 200, "B": 503, "C": 200, "F": 200, "G": 200, "H": 200, "I": 503, "J": 200, "K": 200, "L": 503}
	for column, code := range want {
		if got := Readiness(nodes[column], now, ""); got != code {
			t.Errorf("node %s: got %d, want %d", column, got, code)
		}
	}
	archive := replica()
	archive.Instance.ReplicationState = "in archive recovery"
	blind := replica()
	blind.Cluster, blind.Instance.LatestEndLSN = nil, 0
	late := replica()
	late.Instance.ReplayLSN -= 2 << 20
	for name, c := range map[string]struct {
		s     *cluster.NodeStatus
		query string
		want  int
	}{
		"archive recovery":                     {archive, "", 503},
		"nobody tells where the leader is":     {blind, "", 503},
		"2 MB behind, default limit of 1 MB":   {late, "", 503},
		"2 MB behind, exactly the limit":       {late, "lag=2MB", 200},
		"2 MB behind, one byte over":           {late, "lag=2097151", 503},
		"2 MB behind, bad limit is default":    {late, "lag=2mb", 503},
		"2 MB not replayed, but received":      {late, "mode=write", 200},
		"2 MB not replayed, mode is not WRITE": {late, "mode=WRITE", 503},
		"mode=apply":                           {late, "mode=apply", 503},
	} {
		if got := Readiness(c.s, now, c.query); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func TestLiveness(t *testing.T) {
	for name, c := range map[string]struct {
		s    cluster.NodeStatus
		want int
	}{
		"loop not started":          {cluster.NodeStatus{}, 200},
		"loop on time":              {cluster.NodeStatus{LoopUntil: time.Duration(now) + 1}, 200},
		"loop late this instant":    {cluster.NodeStatus{LoopUntil: time.Duration(now)}, 503},
		"loop late, cluster paused": {cluster.NodeStatus{LoopUntil: 1, Settings: cluster.Settings{Pause: true}}, 200},
	} {
		if got := Liveness(&c.s, now); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func TestPrimaryNeedsLeaseAndFinishedPromotion(t *testing.T) {
	lastInstant, over, promoting := primary(), primary(), primary()
	lastInstant.LeaseUntil = time.Duration(now) + 1
	over.LeaseUntil = time.Duration(now)
	promoting.Promoting, promoting.Instance.Standby = true, true
	promoting.Role = cluster.RolePromoted
	adrift := *promoting
	adrift.Cluster, adrift.Settings.Pause, adrift.Instance.Standby = nil, true, false
	for name, c := range map[string]struct {
		s    *cluster.NodeStatus
		path string
		want int
	}{
		"last instant of the lease":           {lastInstant, "/primary", 200},
		"lease over":                          {over, "/primary", 503},
		"lease over, leader":                  {over, "/leader", 503},
		"promoting, primary":                  {promoting, "/primary", 503},
		"promoting, root":                     {promoting, "/", 503},
		"promoting, read-write":               {promoting, "/read-write", 503},
		"promoting still holds the lock":      {promoting, "/leader", 200},
		"promoting serves reads as a standby": {promoting, "/read-only", 200},
		"promoting, paused without a view":    {&adrift, "/primary", 503},
	} {
		if got := Check(c.s, now, c.path, ""); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func TestQuery(t *testing.T) {
	s := replica() // 0x100000 behind the leader in replay
	s.Instance.ReplayLSN -= 1 << 20
	o, err := cluster.ParseObject([]byte(`{"zone": "a", "on": true, "n": 7, "f": 1.5, "Big": "X"}`))
	if err != nil {
		t.Fatal(err)
	}
	s.Tags = cluster.NewTags(o)
	for _, c := range []struct {
		path, query string
		want        int
	}{
		{"/replica", "lag=1MB", 200},
		{"/replica", "lag=1048575", 503},
		{"/replica", "lag=1mb", 200},
		{"/replica", "lag=", 200},
		{"/replica", "lag=&lag=1", 503},
		{"/replica", "lag=1&lag=1MB", 503},
		{"/replica", "LAG=1", 200},
		{"/replica", "replication_state=streaming", 200},
		{"/read-only", "lag=0", 503},
		{"/async", "lag=0", 503},
		{"/health", "lag=0", 200},
		{"/replica", "tag_zone=a", 200},
		{"/replica", "tag_zone=b", 503},
		{"/replica", "tag_zone=A", 503},
		{"/replica", "tag_zone=", 200},
		{"/replica", "tag_zone=a&tag_zone=b", 200},
		{"/replica", "tag_on=true&tag_n=7&tag_f=1.5&tag_Big=X", 200},
		{"/replica", "tag_on=True", 503},
		{"/replica", "tag_none=1", 503},
		{"/health", "tag_zone=b", 503},
		{"/replica", "tag_zone=%61", 200},
	} {
		if got := Check(s, now, c.path, c.query); got != c.want {
			t.Errorf("%s?%s: got %d, want %d", c.path, c.query, got, c.want)
		}
	}
	for _, path := range []string{"/primary", "/leader"} {
		if got := Check(primary(), now, path, "tag_zone=b&lag=0"); got != 200 {
			t.Errorf("%s with tag and lag: got %d, want 200", path, got)
		}
	}
	if got := Check(primary(), now, "/read-only", "tag_zone=b"); got != 503 {
		t.Errorf("/read-only with tag on the primary: got %d, want 503", got)
	}
}

func TestParseLag(t *testing.T) {
	for text, want := range map[string]int64{
		"1048576": 1048576, "+20": 20, " 20 ": 20, "0x14": 20, "0X14": 20, "024": 20, "-1": -1,
		"1.5MB": 1572864, "1e1": 10, "0.02kB": 20, "1 kB": 1024, "3GB": 3 << 30, "1TB": 1 << 40,
		"0x1B": 27, ".5kB": 512, "1.5": 2, "0": 0, "1e300": 1 << 62,
	} {
		if got, ok := parseLag(text); !ok || got != want {
			t.Errorf("%q: got %d %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "abc", "1mb", "1KB", "1k", "10s", "10MB5", "08", "0x", "--1", "1 2", "NaN", "Inf"} {
		if got, ok := parseLag(text); ok {
			t.Errorf("%q: got %d, want unreadable", text, got)
		}
	}
}

func FuzzParseLag(f *testing.F) {
	f.Add("1.5MB")
	f.Add("-0x7fffffffffffffffTB")
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := parseLag(text)
		if !ok && n != 0 || n > 1<<62 || n < -1<<62 {
			t.Errorf("%q: got %d %v", text, n, ok)
		}
	})
}

func TestCheckDoesNotAllocate(t *testing.T) {
	s := primary()
	if n := testing.AllocsPerRun(100, func() { Check(s, now, "/primary", "") }); n > 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func primary() *cluster.NodeStatus {
	return &cluster.NodeStatus{
		Name: "db1", Scope: "shop", Role: cluster.RolePrimary,
		Instance: cluster.Instance{
			State: cluster.StateRunning, Running: true, Ready: true, ServerVersion: 160004,
			StartTime: time.Date(2026, 3, 1, 8, 0, 1, 250000000, time.UTC),
			Timeline:  4, WriteLSN: 83886416, SystemID: "7480000000000000001",
		},
		LeaseUntil: time.Duration(now) + 10*time.Second,
		Cluster:    &cluster.Cluster{Leader: &cluster.Leader{Name: "db1"}, Status: cluster.Status{Optime: 83886416}},
		LastSeen:   time.Unix(1772355610, 0),
		Settings:   cluster.DefaultSettings(),
	}
}

func replica() *cluster.NodeStatus {
	s := primary()
	s.Name, s.Role, s.LeaseUntil = "db2", cluster.RoleReplica, 0
	s.Instance.Standby, s.Instance.WriteLSN = true, 0
	s.Instance.ReceiveLSN, s.Instance.ReplayLSN, s.Instance.LatestEndLSN = 83886416, 83886416, 83886416
	s.Instance.ReplicationState = "streaming"
	return s
}

// matrixNodes are the nodes A to L of the interface's result matrix.
func matrixNodes(t *testing.T) map[string]*cluster.NodeStatus {
	t.Helper()
	var config cluster.Object
	if err := json.Unmarshal([]byte(`{"standby_cluster": {"host": "192.0.2.1"}}`), &config); err != nil {
		t.Fatal(err)
	}
	upstream := func(s *cluster.NodeStatus) *cluster.NodeStatus {
		s.Cluster.Config.Object = &config
		return s
	}
	edit := func(s *cluster.NodeStatus, f func(*cluster.NodeStatus)) *cluster.NodeStatus { f(s); return s }
	sync := func(mode string) *cluster.NodeStatus {
		return edit(replica(), func(s *cluster.NodeStatus) {
			s.Settings.SynchronousMode = mode
			s.Cluster.Sync = cluster.SyncState{Leader: "db1", Standbys: []string{"DB2"}}
		})
	}
	noBalance := &cluster.Object{}
	noBalance.Set("noloadbalance", true)
	down := func(s *cluster.NodeStatus) {
		s.Instance = cluster.Instance{State: cluster.StateRestarting}
	}
	return map[string]*cluster.NodeStatus{
		"A": primary(),
		"B": edit(primary(), func(s *cluster.NodeStatus) { s.LeaseUntil = 0 }),
		"C": replica(),
		"D": sync("on"),
		"E": sync("quorum"),
		"F": upstream(edit(replica(), func(s *cluster.NodeStatus) {
			s.Role, s.LeaseUntil = cluster.RoleStandbyLeader, time.Duration(now)+1
		})),
		"G": upstream(replica()),
		"H": edit(replica(), func(s *cluster.NodeStatus) { s.Tags = cluster.NewTags(noBalance) }),
		"I": edit(replica(), func(s *cluster.NodeStatus) { s.Instance = cluster.Instance{State: cluster.StateStopped} }),
		"J": edit(primary(), down),
		"K": edit(replica(), func(s *cluster.NodeStatus) { s.Cluster = nil }),
		"L": edit(primary(), func(s *cluster.NodeStatus) {
			s.Cluster, s.LeaseUntil, s.Settings.Pause = nil, 0, true
		}),
	}
}
