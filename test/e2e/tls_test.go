package e2e

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/rest/certs"
	"github.com/pgregent/pgregent/rest/certs/certstest"
	"github.com/pgregent/pgregent/test/lab"
)

// TestAgentsSpeakMutualTLS: every call needs a client certificate, those of
// the agents among themselves too: races, switchovers, the check for twins. A
// renewed certificate is used without a restart.
func TestAgentsSpeakMutualTLS(t *testing.T) {
	dir, err := os.MkdirTemp("", "pgregent-tls-") // the agents run as another user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	a := certstest.New(t, dir)
	a.Issue("node", "node")
	a.Issue("ops", "ops")
	conf, err := certs.NewClient(certs.ClientOptions{
		CertFile: a.Path("ops.pem"), KeyFile: a.Path("ops.key"), VerifyHost: true, CAFile: a.Path("ca.pem"),
	})
	if err != nil {
		t.Fatal(err)
	}
	l := lab.New(t, lab.Options{
		DCS: fast, TLS: conf,
		REST: fmt.Sprintf("certfile: %s\nkeyfile: %s\ncafile: %s\nverify_client: required\nidentities:\n"+
			"- {name: node, role: operator, certificate: node}\n- {name: ops, role: admin, certificate: 'CN=ops,O=Ops'}",
			a.Path("node.pem"), a.Path("node.key"), a.Path("ca.pem")),
		Node: func(string) string {
			return fmt.Sprintf("ctl: {certfile: %s, keyfile: %s, cacert: %s}\n", a.Path("node.pem"), a.Path("node.key"), a.Path("ca.pem"))
		},
	})
	leader := l.Leader()
	l.CreateTable()

	stranger := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: 5 * time.Second}
	if resp, err := stranger.Get(leader.URL("/primary")); err == nil {
		_ = resp.Body.Close()
		t.Errorf("a client without a certificate was answered %d", resp.StatusCode)
	}

	t.Log("switchover: the other members are asked over TLS")
	post(t, leader, "/switchover", fmt.Sprintf(`{"leader": %q}`, leader.Name), 200)
	leader = l.WaitHealthy(60 * time.Second)

	t.Log("the leader's host is lost: the others ask each other over TLS")
	leader.KillAll()
	var next *lab.Node
	l.Wait(60*time.Second, "another leader", func() string {
		for _, n := range l.Nodes {
			if n == leader {
				continue
			}
			if code, _, err := n.Call(http.MethodGet, "/primary", ""); err == nil && code == http.StatusOK {
				next = n
				return ""
			}
		}
		return "none"
	})
	if !strings.Contains(next.Log(), "the healthiest of") || strings.Contains(next.Log(), "x509") || strings.Contains(next.Log(), "tls:") {
		t.Errorf("%s did not race over TLS", next.Name)
	}

	t.Log("a renewed certificate")
	a.Issue("node", "renewed")
	l.Wait(20*time.Second, "the renewed certificate", func() string {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}, Timeout: 5 * time.Second}
		resp, err := c.Get(next.URL("/primary"))
		if err != nil {
			return err.Error()
		}
		_ = resp.Body.Close()
		if got := resp.TLS.PeerCertificates[0].Subject.CommonName; got != "renewed" {
			return got
		}
		return ""
	})
	if n := count(next.Log(), "certificates were read again"); n == 0 {
		t.Error("the log does not tell that certificates were read again")
	}
}
