package postgres

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

func TestRecordEnd(t *testing.T) {
	const seg = 16 << 20
	for name, c := range map[string]struct {
		lsn   cluster.LSN
		total uint32
		want  cluster.LSN
	}{
		"inside a page":                         {0x28, 114, 0x28 + 120},
		"aligned length":                        {0x100, 120, 0x100 + 120},
		"ends at the page's end":                {8192 - 120, 114, 8192},
		"goes on in the next page":              {8192 - 64, 114, 8192 + 24 + 56},
		"goes on in the next segment":           {seg - 64, 114, seg + 40 + 56},
		"spans whole pages":                     {8192 - 8, 8 + 8168 + 16, 2*8192 + 24 + 16},
		"last bytes are just the next page's":   {8192 - 8, 16, 8192 + 24 + 8},
		"fills the next page to its end":        {8192 - 8, 8 + 8168, 2 * 8192},
		"length is aligned before it is placed": {8192 - 112, 106, 8192},
	} {
		if got := recordEnd(c.lsn, c.total, seg); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestSegmentName(t *testing.T) {
	if got, want := segmentName(3, 0x5_12345678, 16<<20), "000000030000000500000012"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := segmentName(1, 0x1_C0000000, 1<<30), "000000010000000100000003"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPassFile(t *testing.T) {
	c := config.Credentials{Username: "a:b", Password: `p\w:d`, HasPassword: true}
	got := passFile([]passEntry{
		{"/run/pg", 5433, c},
		{"h", 0, config.Credentials{Password: "x", HasPassword: true}},
		{"h", 1, config.Credentials{Username: "none"}},
		{"/run/pg", 5433, c},
	})
	want := "/run/pg:5433:*:a\\:b:p\\\\w\\:d\nlocalhost:5433:*:a\\:b:p\\\\w\\:d\nh:*:*:*:x\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestConninfo(t *testing.T) {
	words := []word{{"user", `o'ne \ two`}, {"host", ""}}
	if got, want := conninfo(words), `user='o\'ne \\ two' host=''`; got != want {
		t.Errorf("quoted: got %s, want %s", got, want)
	}
	bare := bareConninfo(words)
	if want := `user=o\'ne\ \\\ two host=''`; bare != want {
		t.Errorf("bare: got %s, want %s", bare, want)
	}
	want := map[string]string{"user": `o'ne \ two`, "host": ""}
	for _, text := range []string{bare, conninfo(words)} {
		if got := parseConninfo(text); !reflect.DeepEqual(got, want) {
			t.Errorf("parse %s: got %q", text, got)
		}
	}
}

func TestPrimaryConninfo(t *testing.T) {
	cfg := config.Postgres{Name: "pg-1.Node", PgPass: "/x/pgpass", Replication: config.Credentials{Username: "replicator", HasPassword: true}}
	got := primaryConninfo(cfg, cluster.Upstream{Host: "127.0.0.1", Port: 16540}, 15)
	want := "dbname=postgres user=replicator passfile=/x/pgpass host=127.0.0.1 port=16540 sslmode=prefer application_name=pg-1.Node gssencmode=prefer channel_binding=prefer"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestQuoteValue(t *testing.T) {
	if got, want := quoteValue(`it's a \ "b"`), `'it''s a \\ "b"'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParsePidFile(t *testing.T) {
	full := "4242\n/data\n1700000000\n5433\n/tmp\n127.0.0.1\n  123 456\nready   \n"
	p, err := parsePidFile(full)
	want := pidFile{Pid: 4242, Started: time.Unix(1700000000, 0), Port: 5433, SocketDir: "/tmp", Listen: "127.0.0.1", Status: "ready"}
	if err != nil || p != want {
		t.Errorf("got %+v, %v", p, err)
	}
	if p, err = parsePidFile("-17\n/data\n"); err != nil || p.Pid != -17 || p.Status != "" {
		t.Errorf("single user: %+v, %v", p, err)
	}
	for _, bad := range []string{"", "x\n", "0\n", "1\n/d\nlate\n"} {
		if _, err := parsePidFile(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestParseControlData(t *testing.T) {
	d := parseControlData(strings.Join([]string{
		"Database cluster state:               shut down",
		"Latest checkpoint location:           0/1949A48",
		"Latest checkpoint's TimeLineID:       3",
		"Minimum recovery ending location:     0/0",
		"Min recovery ending loc's timeline:   0",
		"Current wal_log_hints setting:        on",
		"max_xlocks setting",
		"Data page checksum version:           0",
	}, "\n"))
	want := cluster.Control{State: "shut down", CheckpointLSN: 0x1949A48, Timeline: 3, RewindPossible: true}
	if got := d.control(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestParseStat(t *testing.T) {
	p, err := parseStat(7, []byte("7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1 1"))
	if want := (process{pid: 7, ppid: 1, state: 'S', ticks: 123456}); err != nil || p != want {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestUsable(t *testing.T) {
	known := map[string]guc{
		"work_mem": {kind: "INTEGER", min: 64, max: 1000}, "fsync": {kind: "BOOLEAN"},
		"wal_compression": {kind: "ENUM"}, "random_page_cost": {kind: "REAL", min: 0, max: 10},
	}
	out, warnings := usable([]config.Parameter{
		{Name: "work_mem", Value: "4MB"},
		{Name: "work_mem", Value: "1"},
		{Name: "work_mem", Value: "lots"},
		{Name: "fsync", Value: "False"},
		{Name: "fsync", Value: "maybe"},
		{Name: "wal_compression", Value: "True"},
		{Name: "ext.anything", Value: "x"},
		{Name: "no_such", Value: "1"},
		{Name: "force_parallel_mode", Value: "on"},
		{Name: "primary_conninfo", Value: "host=x"},
		{Name: "random_page_cost", Value: "1.5"},
	}, known, 15)
	want := []config.Parameter{
		{Name: "work_mem", Value: "4MB"},
		{Name: "work_mem", Value: "64"},
		{Name: "fsync", Value: "False"},
		{Name: "wal_compression", Value: "True"},
		{Name: "ext.anything", Value: "x"},
		{Name: "force_parallel_mode", Value: "on"},
		{Name: "random_page_cost", Value: "1.5"},
	}
	if !reflect.DeepEqual(out, want) || len(warnings) != 5 {
		t.Errorf("got %v\n%q", out, warnings)
	}
}

func TestWhenTheControlFileTellsTheLog(t *testing.T) {
	for _, c := range []struct {
		running bool
		state   string
		want    bool
	}{
		{true, "in archive recovery", true},
		{true, "in crash recovery", false},
		{true, "in production", false}, // a crashed primary, or a copy of one, that has just been started
		{true, "shut down", false},
		{false, "in production", true},
		{false, "shut down in recovery", true},
	} {
		if got := filesTell(c.running, c.state); got != c.want {
			t.Errorf("running %v, %s: got %v", c.running, c.state, got)
		}
	}
}

func TestCompareLogs(t *testing.T) {
	past := cluster.History{{Timeline: 1, LSN: 100}, {Timeline: 2, LSN: 200}}
	up := upstreamLog{timeline: 3, flush: 900, history: past}
	for name, c := range map[string]struct {
		own  ownLog
		want cluster.Divergence
	}{
		"newer timeline":                                {ownLog{timeline: 4, end: 1}, cluster.DivergenceFound},
		"timeline not known":                            {ownLog{end: 1}, cluster.DivergenceUnknown},
		"standby at the switch point":                   {ownLog{timeline: 2, end: 200}, cluster.DivergenceNone},
		"standby one byte after it":                     {ownLog{timeline: 2, end: 201}, cluster.DivergenceFound},
		"primary whose shutdown record was replicated":  {ownLog{timeline: 2, end: 200, kind: logWritten}, cluster.DivergenceNone},
		"primary whose shutdown record was not":         {ownLog{timeline: 1, end: 220, kind: logWritten}, cluster.DivergenceFound},
		"primary that did not shut down, timeline gone": {ownLog{timeline: 2, end: 10, kind: logUnknownEnd}, cluster.DivergenceFound},
		"older timeline, same past":                     {ownLog{timeline: 2, end: 200, history: past[:1]}, cluster.DivergenceNone},
		"older timeline, another past":                  {ownLog{timeline: 2, end: 200, history: cluster.History{{Timeline: 1, LSN: 99}}}, cluster.DivergenceFound},

		"same timeline, standby ahead of the answer":   {ownLog{timeline: 3, end: 901, history: past}, cluster.DivergenceNone},
		"same timeline, standby without file":          {ownLog{timeline: 3, end: 10}, cluster.DivergenceNone},
		"same timeline, promoted elsewhere":            {ownLog{timeline: 3, end: 10, history: cluster.History{past[0], {Timeline: 2, LSN: 201}}}, cluster.DivergenceFound},
		"same timeline, of another parent":             {ownLog{timeline: 3, end: 10, history: cluster.History{{Timeline: 2, LSN: 200}}}, cluster.DivergenceFound},
		"same timeline, primary not after the end":     {ownLog{timeline: 3, end: 900, kind: logWritten, history: past}, cluster.DivergenceNone},
		"same timeline, primary after the end":         {ownLog{timeline: 3, end: 901, kind: logWritten, history: past}, cluster.DivergenceFound},
		"same timeline, crashed primary after the end": {ownLog{timeline: 3, end: 901, kind: logUnknownEnd, history: past}, cluster.DivergenceFound},
		"same timeline, primary without file":          {ownLog{timeline: 3, end: 10, kind: logWritten}, cluster.DivergenceFound},
		"same timeline, copy of a primary":             {ownLog{timeline: 3, end: 901, kind: logUnknownEnd, copied: true}, cluster.DivergenceNone},
	} {
		if got, why := compareLogs(c.own, up); got != c.want || why == "" {
			t.Errorf("%s: got %v (%s), want %v", name, got, why, c.want)
		}
	}
	lost := upstreamLog{timeline: 3, history: cluster.History{{Timeline: 1, LSN: 100}}}
	if got, _ := compareLogs(ownLog{timeline: 2, end: 10}, lost); got != cluster.DivergenceFound {
		t.Errorf("timeline missing in the history: got %v", got)
	}
	first := upstreamLog{timeline: 1, flush: 50}
	for end, want := range map[cluster.LSN]cluster.Divergence{50: cluster.DivergenceNone, 51: cluster.DivergenceFound} {
		if got, _ := compareLogs(ownLog{timeline: 1, end: end, kind: logWritten}, first); got != want {
			t.Errorf("primary on timeline 1 at %s: got %v, want %v", end, got, want)
		}
	}
}

func TestParseHistory(t *testing.T) {
	h, err := parseHistory("1\t0/3000110\tno recovery target specified\n\n# comment\n2\t0/5000000\tbefore x\ty\n")
	want := cluster.History{{Timeline: 1, LSN: 0x3000110, Reason: "no recovery target specified"}, {Timeline: 2, LSN: 0x5000000, Reason: "before x\ty"}}
	if err != nil || !reflect.DeepEqual(h, want) {
		t.Errorf("got %+v, %v", h, err)
	}
	for _, bad := range []string{"1\n", "x\t0/1\tr\n", "1\t1\tr\n"} {
		if _, err := parseHistory(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestScrubbed(t *testing.T) {
	got := scrubbed([]string{"PATH=/bin", "PATRONI_NAME=x", "PGREGENT_NAME=x", "NOTIFY_SOCKET=/x", "KUBERNETES_PORT=1", "PG_MALLOC_ARENA_MAX=1"})
	if want := []string{"PATH=/bin", "MALLOC_ARENA_MAX=1"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestLocalHost(t *testing.T) {
	for listen, want := range map[string]string{
		"*": "localhost", "": "localhost", "0.0.0.0": "127.0.0.1", "10.0.0.1, 127.0.0.1": "127.0.0.1",
		"10.0.0.1,10.0.0.2": "10.0.0.1", "::": "::1", "localhost,10.0.0.1": "localhost",
	} {
		if got := localHost(listen); got != want {
			t.Errorf("%q: got %s, want %s", listen, got, want)
		}
	}
}

func TestASegmentWithoutItsHistoryIsOfAnAbandonedTimeline(t *testing.T) {
	for name, tc := range map[string]struct {
		files []string
		want  cluster.Timeline
	}{
		"nothing":             {nil, 0},
		"the first":           {[]string{"000000010000000000000001"}, 1},
		"followed":            {[]string{"000000010000000000000001", "00000002.history", "000000020000000000000001"}, 2},
		"history alone":       {[]string{"000000010000000000000001", "00000002.history"}, 1},
		"left by pg_rewind":   {[]string{"000000010000000000000001", "000000020000000000000001"}, 1},
		"past the tenth":      {[]string{"0000000A.history", "0000000A0000000000000001", "0000000B0000000000000001"}, 10},
		"what is not the log": {[]string{"archive_status", "x", "0000000A0000000000000001.partial", "zz.history"}, 0},
	} {
		dir := t.TempDir()
		must(t, os.MkdirAll(filepath.Join(dir, "pg_wal"), 0o700))
		for _, f := range tc.files {
			must(t, os.WriteFile(filepath.Join(dir, "pg_wal", f), nil, 0o600))
		}
		if got := newestSegmentTimeline(dir); got != tc.want {
			t.Errorf("%s: got %d, want %d", name, got, tc.want)
		}
	}
}
