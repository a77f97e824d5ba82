package certs

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"strings"
	"testing"

	"github.com/pgregent/pgregent/rest/certs/certstest"
)

func TestHostClient(t *testing.T) {
	a, stranger := certstest.New(t, ""), certstest.New(t, "")
	a.Issue("s", "db1") // for 127.0.0.1
	s, err := NewServer(ServerOptions{CertFile: a.Path("s.pem"), KeyFile: a.Path("s.key")})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		host     string
		ca       *certstest.Authority
		verify   bool
		check    HostCheck
		ok, told bool
	}{
		"its own host":                   {"127.0.0.1", a, true, HostRequired, true, false},
		"another host, required":         {"zk1.example", a, true, HostRequired, false, false},
		"another host, told":             {"zk1.example", a, true, HostTold, true, true},
		"another host, ignored":          {"zk1.example", a, true, HostIgnored, true, false},
		"another authority, told":        {"127.0.0.1", stranger, true, HostTold, false, false},
		"another authority, ignored":     {"127.0.0.1", stranger, true, HostIgnored, false, false},
		"nothing verified, but required": {"zk1.example", stranger, false, HostRequired, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			client, err := NewHostClient(ClientOptions{
				Verify: c.verify, CAFile: c.ca.Path("ca.pem"), Logger: slog.New(slog.NewTextHandler(&log, nil)),
			}, c.check)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := handshake(t, s.Config(), client(c.host)); (err == nil) != c.ok {
					t.Errorf("got %v", err)
				}
			}
			if n := strings.Count(log.String(), "zk1.example"); c.told != (n > 0) || strings.Count(log.String(), "\n") > 1 {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

func handshake(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	near, far := pipe(t)
	go func() {
		_ = tls.Server(far, server).Handshake() // the client tells
		_ = far.Close()
	}()
	err := tls.Client(near, client).Handshake()
	_ = near.Close()
	return err
}
