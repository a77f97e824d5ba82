package e2e

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/rest/certs/certstest"
	"github.com/pgregent/pgregent/test/lab"
	"github.com/pgregent/pgregent/zkdcs/zktest"
)

// TestEncryptedAndClosedStore: agents and fences reach ZooKeeper by mutual TLS
// only, and keep their keys to themselves. That the fence ends the session of
// a leader whose agent was killed shows in a failover long before the session
// times out.
func TestEncryptedAndClosedStore(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "pgregent-certs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ca := certstest.New(t, dir)
	ca.Issue("zk", "zk")
	ca.Issue("agent", "agent")
	server := zktest.Start(t, zktest.WithTick(2*time.Second), zktest.WithTLS(zktest.TLS{
		CertFile: ca.Path("zk.pem"), KeyFile: ca.Path("zk.key"), CAFile: ca.Path("ca.pem"), AskClients: true,
	}))
	l := lab.New(t, lab.Options{Nodes: 2, Lazy: true, ZooKeeper: []string{server.SecureAddr()}, DCS: lab.DefaultDCS})
	section := fmt.Sprintf(`zookeeper:
  use_ssl: on
  cacert: %s
  cert: %s
  key: %s
  verify_hostname: true
  auth_data: {digest: 'lab:s3cret'}
  set_acls: {'digest:lab:s3cret': [ALL]}
`, ca.Path("ca.pem"), ca.Path("agent.pem"), ca.Path("agent.key"))
	for _, n := range l.Nodes {
		text, err := os.ReadFile(n.Config)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(n.Config, []byte(strings.Replace(string(text), "zookeeper:\n", section, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		n.Start()
	}
	leader := l.WaitHealthy(60 * time.Second)
	for _, n := range l.Nodes {
		if strings.Contains(n.Log(), "s3cret") {
			t.Errorf("the log of %s shows the credential", n.Name)
		}
	}
	stranger, _, err := zk.Connect([]string{server.Addr()}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	for _, key := range []string{"", "/leader", "/config", "/members/pg1"} {
		if _, _, err := stranger.Get("/service/" + lab.Scope + key); !errors.Is(err, zk.ErrNoAuth) {
			t.Errorf("a stranger reads %q: %v", key, err)
		}
	}
	killed := time.Now()
	leader.KillAgent()
	next := l.Nodes[0]
	if next == leader {
		next = l.Nodes[1]
	}
	l.Wait(60*time.Second, "the other node to lead", func() string {
		if doc, err := next.GetJSON("/patroni"); err != nil || doc.Get("role") != "primary" {
			return fmt.Sprint(doc, err)
		}
		return ""
	})
	took := time.Since(killed)
	t.Logf("failover after %v", took)
	if took > 27*time.Second { // the session lasts 30 s
		t.Errorf("failover after %v: the fence did not end the session", took)
	}
}
