package zkdcs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/rest/certs/certstest"
	"github.com/pgregent/pgregent/zkdcs/zktest"
)

// secured is a server that asks for certificates on its second port, and who
// may issue them.
type secured struct {
	*zktest.Server
	t  *testing.T
	ca *certstest.Authority
}

func secureServer(t *testing.T, lines ...string) *secured {
	ca := certstest.New(t, "")
	ca.Issue("server", "server")
	ca.Issue("me", "me")
	ca.Issue("other", "other")
	return &secured{t: t, ca: ca, Server: zktest.Start(t, zktest.WithTLS(zktest.TLS{
		CertFile: ca.Path("server.pem"), KeyFile: ca.Path("server.key"), CAFile: ca.Path("ca.pem"), AskClients: true,
	}), zktest.WithLines(lines...))}
}

// client is the TLS of a client with that certificate, which trusts ca.
func client(t *testing.T, ca *certstest.Authority, name string, trusted *certstest.Authority) func(string) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(ca.Path(name+".pem"), ca.Path(name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(trusted.Path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return func(host string) *tls.Config {
		return &tls.Config{ServerName: host, RootCAs: roots, Certificates: []tls.Certificate{pair}}
	}
}

// through makes a node use the second port, with its proxy in between.
func (s *secured) through(name string, change ...func(*Options)) (*node, *zktest.Proxy) {
	s.t.Helper()
	proxy, err := zktest.NewProxy(s.SecureAddr())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(proxy.Close)
	change = append([]func(*Options){func(o *Options) {
		o.Access = Access{Hosts: []string{proxy.Addr()}, TLS: client(s.t, s.ca, "me", s.ca)}
	}}, change...)
	return start(s.t, name, change...), proxy
}

// TestTLS: both connections are encrypted, and what the gate promises of plain
// ones holds.
func TestTLS(t *testing.T) {
	s := secureServer(t)
	a, proxy := s.through("a")
	first := a.acquire(t)
	a.await(t, "a renewal", func() bool { return a.Lease().Sent > first.Sent })
	if w := a.Stats().Wire; w.Answers == 0 {
		t.Error("answers are not seen")
	}

	t.Log("a connection that hangs is dropped in time, and the same session goes on")
	before := a.Stats().Wire.Late
	proxy.Hang()
	a.await(t, "the overdue answer", func() bool { return a.Stats().Wire.Late > before })
	proxy.Resume()
	a.await(t, "a renewal after the pause", func() bool { return a.Lease().Held() && a.Lease().Sent > first.Sent })
	if a.Lease().Epoch != first.Epoch {
		t.Error("the lock changed hands")
	}

	t.Log("the fence ends the session by a connection of its own")
	sess := a.session()
	a.stop()
	if err := CloseSession(t.Context(), a.opts.Access, sess, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	b, _ := s.through("b")
	b.acquire(t)
}

// TestRefusedServers: the reason is told, and there is no session.
func TestRefusedServers(t *testing.T) {
	// By TLS 1.3 a client's certificate is looked at after its handshake.
	s := secureServer(t, "ssl.protocol=TLSv1.3", "ssl.enabledProtocols=TLSv1.3", "ssl.ciphersuites=TLS_AES_128_GCM_SHA256")
	stranger := certstest.New(t, t.TempDir())
	stranger.Issue("me", "me")
	for name, c := range map[string]struct {
		addr string
		tls  func(string) *tls.Config
		want string // "": nothing is wrong
	}{
		"nothing wrong":       {s.SecureAddr(), client(t, s.ca, "me", s.ca), ""},
		"unknown authority":   {s.SecureAddr(), client(t, s.ca, "me", stranger), "unknown authority"},
		"another host":        {strings.Replace(s.SecureAddr(), "127.0.0.1", "localhost", 1), client(t, s.ca, "me", s.ca), "to match localhost"},
		"a port without TLS":  {s.Addr(), client(t, s.ca, "me", s.ca), "speak TLS"},
		"unknown certificate": {s.SecureAddr(), client(t, stranger, "me", s.ca), "remote error: tls"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said logLines
			st, err := New(Options{
				Access: Access{Hosts: []string{c.addr}, TLS: c.tls}, Scope: scope(t), SessionTimeout: 4 * time.Second,
				RetryTimeout: 3 * time.Second, Logger: slog.New(slog.NewTextHandler(&said, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			run(t, st)
			n := &node{Store: st}
			if c.want == "" {
				n.await(t, "a session", func() bool { return st.SessionID() != 0 })
				n.await(t, "a view", func() bool { _, err := st.Load(t.Context()); return err == nil })
				return
			}
			n.await(t, "the reason", func() bool {
				return strings.Contains(said.String(), "ZooKeeper server cannot be used") && strings.Contains(said.String(), c.want)
			})
			n.await(t, "more attempts", func() bool { return st.Stats().Wire.Dials > 1 })
			if _, err := st.Load(t.Context()); !errors.Is(err, cluster.ErrUnreachable) {
				t.Errorf("got %v, want unreachable", err)
			}
			if wire := st.Stats().Wire; st.SessionID() != 0 || wire.Attached != 0 {
				t.Errorf("session %#x, %+v", st.SessionID(), wire)
			}
		})
	}
}

// TestACL: znodes of the cluster admit those in the list only, whoever proves
// to be one; what is above the cluster stays open.
func TestACL(t *testing.T) {
	s := secureServer(t)
	const id = "me:mywVnF2yfVvfUSDb8eQUSrdbhvM=" // of me:s3cret
	for name, c := range map[string]struct {
		acl  config.ACL
		auth map[string]string
	}{
		"digest": {config.ACL{Scheme: "digest", ID: id, Permissions: 31}, map[string]string{"digest": "me:s3cret"}},
		"x509":   {config.ACL{Scheme: "x509", ID: "CN=me,O=Ops", Permissions: 31}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			closed := func(o *Options) { o.ACL, o.AuthData = []config.ACL{c.acl}, c.auth }
			s := &secured{Server: s.Server, t: t, ca: s.ca}
			n, _ := s.through("a", closed)
			n.acquire(t)
			if err := n.SetConfig(t.Context(), &cluster.Object{}, cluster.NoVersion); err != nil {
				t.Fatal(err)
			}
			if err := n.SetMember(t.Context(), cluster.MemberData{State: cluster.StateRunning}); err != nil {
				t.Fatal(err)
			}
			n.awaitView(t, "the own member", func(c *cluster.Cluster) bool { return len(c.Members) == 1 })
			other, _, err := zk.Connect([]string{s.Addr()}, 10*time.Second, zk.WithLogInfo(false))
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			for _, key := range []string{keyConfig, keyLeader, keyMembers, keyMembers + "/a", keyRegistration, keyRegistration + "/a"} {
				path := n.paths.of(key)
				if _, _, err := other.Get(path); !errors.Is(err, zk.ErrNoAuth) {
					t.Errorf("a stranger reads %s: %v", key, err)
				}
				list, _, err := other.GetACL(path)
				if !errors.Is(err, zk.ErrNoAuth) {
					t.Errorf("a stranger is told the ACL of %s: %v %v", key, list, err)
				}
			}
			if _, err := other.Create("/service/next-"+scope(t), nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
				t.Errorf("another cluster cannot be put beside: %v", err)
			}
			if open, err := n.OpenToAnyone(t.Context()); open || err != nil {
				t.Errorf("open to anyone: %v, %v", open, err)
			}
			again, _ := s.through("", closed) // which waits for a view
			if c := again.view(t); c.Leader == nil || len(c.Members) != 1 {
				t.Errorf("with the credentials: %+v", c)
			}
			stranger := openStranger(t, s, n.opts)
			(&node{Store: stranger}).await(t, "its session", func() bool { return stranger.SessionID() != 0 })
			if _, err := stranger.OpenToAnyone(t.Context()); err == nil || !strings.Contains(err.Error(), "set_acls") {
				t.Errorf("a store without credentials: %v", err)
			}
			if err := n.Remove(t.Context()); err != nil {
				t.Errorf("remove: %v", err)
			}
		})
	}
}

// openStranger is a store without credentials, on the plain port.
func openStranger(t *testing.T, s *secured, o Options) *Store {
	t.Helper()
	o.Access, o.Name, o.SaveSession, o.Resume = Access{Hosts: []string{s.Addr()}}, "", nil, nil
	st, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	run(t, st)
	return st
}

type logLines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
