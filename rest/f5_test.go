package rest

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/rest/certs"
	"github.com/pgregent/pgregent/rest/certs/certstest"
)

// f5Monitor is one of packaging/f5/monitors.conf.
type f5Monitor struct {
	kind, send    string
	recv, disable *regexp.Regexp // disable may be nil
}

// f5Monitors reads the definitions as BIG-IP does: \r and \n in the send
// string are those characters, receive strings are regular expressions.
func f5Monitors(t *testing.T) map[string]f5Monitor {
	t.Helper()
	text, err := os.ReadFile("../packaging/f5/monitors.conf")
	if err != nil {
		t.Fatal(err)
	}
	quoted := func(body, key string) string {
		m := regexp.MustCompile(`(?m)^\s+` + key + ` "(.*)"$`).FindStringSubmatch(body)
		if m == nil {
			return ""
		}
		return m[1]
	}
	out := map[string]f5Monitor{}
	for _, m := range regexp.MustCompile(`(?s)ltm monitor (https?) (\S+) \{(.*?)\n\}`).FindAllStringSubmatch(string(text), -1) {
		mon := f5Monitor{
			kind: m[1], send: strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(quoted(m[3], "send")),
			recv: regexp.MustCompile(quoted(m[3], "recv")),
		}
		if d := quoted(m[3], "recv-disable"); d != "" {
			mon.disable = regexp.MustCompile(d)
		}
		out[m[2]] = mon
	}
	return out
}

// probe sends the monitor's bytes, with what some releases append, and
// returns what it then knows of the member: up, disabled or down.
func (m f5Monitor) probe(t *testing.T, address, appended string) string {
	t.Helper()
	var conn net.Conn
	var err error
	if conn, err = net.Dial("tcp", address); err != nil {
		t.Fatal(err)
	}
	if m.kind == "https" {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // as the monitor does
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, m.send+appended); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(io.LimitReader(conn, 5120)) // what a monitor looks at
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case m.recv.Match(got):
		return "up"
	case m.disable != nil && m.disable.Match(got):
		return "disabled"
	}
	return "down"
}

func TestF5Monitors(t *testing.T) {
	a := certstest.New(t, "")
	a.Issue("s", "db1")
	f := newFake(t)
	plain := serve(t, Options{Backend: f})
	secure := start(t, Options{Backend: f, Settings: Settings{TLS: &certs.ServerOptions{CertFile: a.Path("s.pem"), KeyFile: a.Path("s.key")}}}).Addr().String()
	asPrimary := f.node.Load()
	replica := *asPrimary
	replica.Role, replica.LeaseUntil, replica.Instance.Standby = cluster.RoleReplica, 0, true
	monitors := f5Monitors(t)
	want := map[string][2]string{ // on a primary, on a standby
		"pgregent_primary": {"up", "down"}, "pgregent_primary_tls": {"up", "down"},
		"pgregent_replica": {"down", "up"}, "pgregent_replica_tls": {"down", "up"},
		"pgregent_replica_drain": {"disabled", "up"},
	}
	if len(monitors) != len(want) {
		t.Errorf("got %d monitors, want %d", len(monitors), len(want))
	}
	for i, st := range []*cluster.NodeStatus{asPrimary, &replica} {
		f.node.Store(st)
		for name, w := range want {
			m, address := monitors[name], plain
			if m.kind == "https" {
				address = secure
			}
			for _, appended := range []string{"", "\r\n"} {
				if got := m.probe(t, address, appended); got != w[i] {
					t.Errorf("%s with %q appended, node %s: got %s, want %s", name, appended, st.Role, got, w[i])
				}
			}
		}
	}
}
