package cluster

import (
	"errors"
	"strings"
	"testing"
)

func TestParseLSN(t *testing.T) {
	for in, want := range map[string]LSN{
		"0/0":               0,
		"0/1":               1,
		"1/0":               1 << 32,
		"16/B374D848":       0x16B374D848,
		"16/b374d848":       0x16B374D848,
		"FFFFFFFF/FFFFFFFF": 1<<64 - 1,
	} {
		got, err := ParseLSN(in)
		if err != nil || got != want {
			t.Errorf("%s: got %d (%v), want %d", in, got, err, want)
		}
		if back := got.String(); back != strings.ToUpper(in) {
			t.Errorf("%s came back as %s", in, back)
		}
	}
	for _, in := range []string{"", "0", "/", "0/", "/0", "0/0/0", "g/0", "0/g", " 0/0", "0/0 ", "-1/0", "+1/0", "0x1/0", "1_0/0", "100000000/0", "0/100000000"} {
		if got, err := ParseLSN(in); !errors.Is(err, ErrBadLSN) || got != 0 {
			t.Errorf("%q: got %v, %v, want ErrBadLSN", in, got, err)
		}
	}
}

func TestSlotName(t *testing.T) {
	for in, want := range map[string]string{
		"n0":                    "n0",
		"pg-1.Node":             "pg_1_node",
		"a_b":                   "a_b",
		"a b":                   "au0032b",
		"a/b":                   "au0047b",
		"é":                     "u0233",
		"Ü":                     "u0252",
		"日":                     "u26085",
		"😀":                     "u128512",
		"":                      "",
		strings.Repeat("n", 63): strings.Repeat("n", 63),
		strings.Repeat("n", 64): strings.Repeat("n", 63),
		strings.Repeat("日", 11): strings.Repeat("u26085", 10) + "u26",
	} {
		if got := SlotName(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestPath(t *testing.T) {
	for _, c := range []struct{ namespace, scope, want string }{
		{"/service", "batman", "/service/batman"},
		{"service", "batman", "/service/batman"},
		{"/service/", "batman", "/service/batman"},
		{"//a///b//", "/batman/", "/a/b/batman"},
		{"/", "batman", "/batman"},
		{"", "batman", "/batman"},
		{"", "", "/"},
		{"/a b", "c.d", "/a b/c.d"},
	} {
		if got := Path(c.namespace, c.scope); got != c.want {
			t.Errorf("%q, %q: got %q, want %q", c.namespace, c.scope, got, c.want)
		}
	}
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]struct {
		host string
		port int
	}{
		"postgres://10.0.0.1:5433/postgres": {"10.0.0.1", 5433},
		"postgres://h/db":                   {"h", 5432},
		"postgres://h:/db":                  {"h", 5432},
		"postgres://u:p@h:1/db":             {"h", 1},
		"postgres://[::1]:5433/db":          {"::1", 5433},
		"postgres://[fe80::1]/db":           {"fe80::1", 5432},
		"postgres://h:5433/db?x=y":          {"h", 5433},
		"":                                  {},
		"postgres:///db":                    {},
		"postgres://:5432/db":               {},
		"postgres://h:port/db":              {},
		"h:5432":                            {},
	} {
		host, port, ok := (MemberData{ConnURL: in}).Address()
		if host != want.host || port != want.port || ok != (want.host != "") {
			t.Errorf("%q: got %q, %d, %v, want %v", in, host, port, ok, want)
		}
	}
}

func TestValidSystemID(t *testing.T) {
	for in, want := range map[string]bool{
		"7575757575757575757": true, "1234567890": true, "123456789": false, "": false,
		"+123456789012": false, "-123456789012": false, "12345678901x": false, " 1234567890": false,
		"1234567890\n": false, "0x1234567890": false, "12_345_678_901": false,
	} {
		if got := ValidSystemID(in); got != want {
			t.Errorf("%q: got %v, want %v", in, got, want)
		}
		if id := (&Cluster{Initialize: &in}).SystemID(); (id == in && in != "") != want || (!want && id != "") {
			t.Errorf("%q: system identifier %q", in, id)
		}
	}
}

func TestClusterView(t *testing.T) {
	var none *Cluster
	if none.Member("n0") != nil || none.LeaderName() != "" || none.LeaderMember() != nil || none.SystemID() != "" {
		t.Error("a view that was never read knows something")
	}
	c := &Cluster{Members: []Member{{Name: "N0"}, {Name: "n0"}, {Name: "n1"}}}
	if c.LeaderName() != "" || c.LeaderMember() != nil || c.SystemID() != "" {
		t.Error("a view without leader names one")
	}
	c.Leader = &Leader{Name: "n0"}
	if got := c.LeaderMember(); got != &c.Members[1] {
		t.Errorf("leader: got %v, want the member of that exact name", got)
	}
	c.Leader.Name = "gone"
	if c.LeaderName() != "gone" || c.LeaderMember() != nil {
		t.Error("a leader without member is legal")
	}
}

func TestStateNumbers(t *testing.T) {
	for i, name := range []State{
		"initializing new cluster", "initdb failed", "running custom bootstrap script", "custom bootstrap failed",
		"creating replica", "running", "starting", "starting after custom bootstrap", "start failed", "restarting",
		"restart failed", "stopping", "stopped", "stop failed", "crashed",
	} {
		if got := name.Index(); got != i {
			t.Errorf("%s: got %d, want %d", name, got, i)
		}
	}
	for _, s := range []State{StateUnknown, "", "Running"} {
		if got := s.Index(); got != -1 {
			t.Errorf("%q: got %d, want -1", s, got)
		}
	}
}

func TestInstance(t *testing.T) {
	for name, c := range map[string]struct {
		i        Instance
		primary  bool
		position LSN
	}{
		"primary":                     {Instance{Running: true, WriteLSN: 5, ReceiveLSN: 9}, true, 5},
		"stopped primary":             {Instance{WriteLSN: 5}, false, 5},
		"standby that streams":        {Instance{Running: true, Standby: true, WriteLSN: 9, ReceiveLSN: 7, ReplayLSN: 6}, false, 7},
		"standby fed from an archive": {Instance{Running: true, Standby: true, ReceiveLSN: 3, ReplayLSN: 6}, false, 6},
	} {
		if c.i.Primary() != c.primary || c.i.Position() != c.position {
			t.Errorf("%s: got %v, %v, want %v, %v", name, c.i.Primary(), c.i.Position(), c.primary, c.position)
		}
	}
}

func TestBefore(t *testing.T) {
	for version, want := range map[string][2]bool{ // before 3.2, before 4.0
		"3.0.2": {true, true}, "3.1": {true, true}, "3.2.1": {false, true}, "3": {true, true}, "4.0": {}, "4.1.4": {}, "": {}, "x.1": {}, "2.9": {true, true},
	} {
		d := MemberData{Version: version}
		if got := [2]bool{d.Before(3, 2), d.Before(4, 0)}; got != want {
			t.Errorf("%q: got %v, want %v", version, got, want)
		}
	}
}
