package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/rest/certs"
	"github.com/pgregent/pgregent/rest/certs/certstest"
	"github.com/pgregent/pgregent/rest/client"
)

// start runs a server that the test can talk to, and returns it. change may
// change it before.
func start(t testing.TB, o Options, change ...func(*Server)) *Server {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s := New(o)
	for _, f := range change {
		f(s)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s
}

func TestRoles(t *testing.T) {
	digest := sha256.Sum256([]byte("t-op"))
	f := newFake(t)
	f.onFailover = lead("db2")
	f.reinit = func(bool, bool) error { return nil }
	address := serve(t, Options{Backend: f, Settings: Settings{
		Username: "root", Password: "pw",
		Identities: []Identity{
			{Name: "watcher", Role: Viewer, Token: "t-view"},
			{Name: "ops", Role: Operator, TokenSHA256: hex.EncodeToString(digest[:])},
			{Name: "boss", Role: Admin, Token: "t-admin"},
		},
	}})
	for _, c := range []struct {
		header, method, path, body string
		code                       int
		want                       string
	}{
		{"", "POST", "/reload", "", 401, "no auth header received"},
		{"Bearer nobody", "POST", "/reload", "", 401, "not authenticated"},
		{"Bearer ", "POST", "/reload", "", 401, "not authenticated"},
		{"Bearer t-view", "POST", "/reload", "", 403, "the role viewer of watcher does not include this; it needs operator"},
		{"Bearer t-op", "POST", "/reload", "", 202, "reload scheduled"},
		{"Bearer t-op", "PATCH", "/config", `{"ttl": 31}`, 403, "it needs admin"},
		{"Bearer t-op", "PUT", "/config", `{"ttl": 31}`, 403, "it needs admin"},
		{"Bearer t-op", "DELETE", "/restart", "", 404, "no restarts are scheduled"},
		{"Bearer t-admin", "PATCH", "/config", `{"ttl": 31}`, 200, `"ttl": 31`},
		{"Basic cm9vdDpwdw==", "PATCH", "/config", `{"ttl": 32}`, 200, `"ttl": 32`},
		{"Basic cm9vdDpwdx==", "PATCH", "/config", `{"ttl": 33}`, 200, `"ttl": 33`}, // the same bytes, padded otherwise
		{"Basic cm9vdDpw", "PATCH", "/config", `{"ttl": 34}`, 401, "not authenticated"},
		{"", "GET", "/events", "", 401, "no auth header received"},
		{"", "GET", "/config", "", 200, "ttl"},
		{"", "GET", "/primary", "", 200, "running"},
	} {
		var header []string
		if c.header != "" {
			header = []string{"Authorization", c.header}
		}
		got := send(t, c.method, address, c.path, c.body, header...)
		if got.code != c.code || !strings.Contains(got.body, c.want) {
			t.Errorf("%q %s %s: got %d %q, want %d %q", c.header, c.method, c.path, got.code, got.body, c.code, c.want)
		}
	}
}

func TestAllowlist(t *testing.T) {
	f := newFake(t)
	f.failsafe = func(FailsafeRequest) (FailsafeGrant, error) { return FailsafeGrant{For: time.Second}, nil }
	member := func(url string) {
		f.change(func(c *cluster.Cluster) { c.Members[0].Data.APIURL = url })
		next := *f.node.Load()
		next.Cluster = f.view
		next.Settings.FailsafeMode = true
		f.node.Store(&next)
	}
	const failsafe = `{"name": "a", "conn_url": "b", "api_url": "c"}`
	for name, c := range map[string]struct {
		settings Settings
		member   string
		code     int // of POST /reload
		failsafe int
	}{
		"no list":                        {Settings{}, "", 202, 200},
		"network":                        {Settings{Allowlist: []string{"127.9.9.9/8"}}, "", 202, 200},
		"address":                        {Settings{Allowlist: []string{"192.0.2.1", "127.0.0.1"}}, "", 202, 200},
		"name":                           {Settings{Allowlist: []string{"localhost"}}, "", 202, 200},
		"another network":                {Settings{Allowlist: []string{"192.0.2.0/24"}}, "", 403, 403},
		"nothing that can be used":       {Settings{Allowlist: []string{"no.such.host.invalid"}}, "", 403, 403},
		"members, one at this address":   {Settings{IncludeMembers: true}, "http://127.0.0.1:1/patroni", 202, 200},
		"members, none at this address":  {Settings{IncludeMembers: true}, "http://192.0.2.1:1/patroni", 403, 200},
		"list and members, one here":     {Settings{Allowlist: []string{"192.0.2.0/24"}, IncludeMembers: true}, "http://127.0.0.1:1/patroni", 202, 403},
		"members, with a name that fits": {Settings{IncludeMembers: true}, "http://localhost:1/patroni", 202, 200},
	} {
		member(c.member)
		address := serve(t, Options{Backend: f, Settings: c.settings})
		if got := send(t, "POST", address, "/reload", ""); got.code != c.code || c.code == 403 && got.body != "Access is denied" {
			t.Errorf("%s: got %d %q, want %d", name, got.code, got.body, c.code)
		}
		if got := send(t, "POST", address, "/failsafe", failsafe); got.code != c.failsafe {
			t.Errorf("%s, failsafe: got %d %q, want %d", name, got.code, got.body, c.failsafe)
		}
		if got := send(t, "GET", address, "/config", ""); got.code != 200 {
			t.Errorf("%s, GET: got %d, want 200", name, got.code)
		}
	}
}

func TestCallerOfADualStackListener(t *testing.T) {
	r := &http.Request{RemoteAddr: "[::ffff:192.0.2.7]:99"}
	if got := caller(r); got != netip.MustParseAddr("192.0.2.7") {
		t.Errorf("got %v, want 192.0.2.7", got)
	}
}

func TestHeaders(t *testing.T) {
	a := certstest.New(t, "")
	a.Issue("s", "db1")
	st := Settings{
		HTTPHeaders:  []Header{{"X-One", "1"}, {"X-Two", "2"}},
		HTTPSHeaders: []Header{{"x-two", "https"}, {"X-Three", "3"}},
	}
	plain := serve(t, Options{Backend: newFake(t), Settings: st})
	got := send(t, "GET", plain, "/primary", "").header
	if got.Get("X-One") != "1" || got.Get("X-Two") != "2" || got.Get("X-Three") != "" || got.Get("Server") != "pgregent" {
		t.Errorf("got %v", got)
	}
	if got := send(t, "HEAD", plain, "/primary", "").header; got.Get("X-One") != "" {
		t.Errorf("a status-only answer has extra headers: %v", got)
	}
	if got := send(t, "POST", plain, "/nothing", "").header; got.Get("X-One") != "" {
		t.Errorf("an error page has extra headers: %v", got)
	}
	for tokens, want := range map[Tokens]string{Minimal: "Patroni/4.1.4", ProductOnly: "Patroni", Original: "pgregent"} {
		address := serve(t, Options{Backend: newFake(t), Settings: Settings{ServerTokens: tokens}})
		if got := send(t, "GET", address, "/patroni", "").header.Get("Server"); got != want {
			t.Errorf("%s: got %q, want %q", tokens, got, want)
		}
	}
	st.TLS = &certs.ServerOptions{CertFile: a.Path("s.pem"), KeyFile: a.Path("s.key")}
	s := start(t, Options{Backend: newFake(t), Settings: st})
	resp, err := httpsClient(t, certs.ClientOptions{Verify: true, CAFile: a.Path("ca.pem")}).Get("https://" + s.Addr().String() + "/primary")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.Header.Get("X-Two") != "https" || resp.Header.Get("X-Three") != "3" || resp.Header.Get("X-One") != "1" {
		t.Errorf("got %v", resp.Header)
	}
}

func httpsClient(t *testing.T, o certs.ClientOptions) *http.Client {
	t.Helper()
	conf, err := certs.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: conf}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func TestClientCertificates(t *testing.T) {
	a, other := certstest.New(t, ""), certstest.New(t, "")
	a.Issue("s", "db1")
	a.Issue("ann", "ann")
	a.Issue("bob", "bob")
	other.Issue("eve", "ann")
	of := func(x *certstest.Authority, name string) certs.ClientOptions {
		return certs.ClientOptions{CertFile: x.Path(name + ".pem"), KeyFile: x.Path(name + ".key")}
	}
	ids := []Identity{{Name: "Ann", Role: Admin, Certificate: "CN=ann,O=Ops"}, {Name: "Bob", Role: Viewer, Certificate: "bob"}}
	for name, c := range map[string]struct {
		verify   certs.Verify
		ids      []Identity
		client   certs.ClientOptions
		get, put int // 0: no connection
	}{
		"none":                             {certs.None, nil, certs.ClientOptions{}, 200, 202},
		"optional, without":                {certs.Optional, nil, certs.ClientOptions{}, 200, 403},
		"optional, with":                   {certs.Optional, nil, of(a, "bob"), 200, 202},
		"optional, of another":             {certs.Optional, nil, of(other, "eve"), 0, 0},
		"required, without":                {certs.Required, nil, certs.ClientOptions{}, 0, 0},
		"required, with":                   {certs.Required, nil, of(a, "bob"), 200, 202},
		"identities, admin by subject":     {certs.Optional, ids, of(a, "ann"), 200, 202},
		"identities, viewer by name":       {certs.Optional, ids, of(a, "bob"), 200, 403},
		"identities, certificate not read": {certs.None, ids, of(a, "ann"), 200, 401},
	} {
		s := start(t, Options{Backend: newFake(t), Settings: Settings{
			TLS:        &certs.ServerOptions{CertFile: a.Path("s.pem"), KeyFile: a.Path("s.key"), CAFile: a.Path("ca.pem"), Verify: c.verify},
			Identities: c.ids,
		}})
		h := httpsClient(t, c.client)
		for method, want := range map[string]int{"GET": c.get, "POST": c.put} {
			path := map[string]string{"GET": "/primary", "POST": "/reload"}[method]
			req, _ := http.NewRequestWithContext(t.Context(), method, "https://"+s.Addr().String()+path, nil)
			code := 0
			if resp, err := h.Do(req); err == nil {
				_ = resp.Body.Close()
				code = resp.StatusCode
			}
			if code != want {
				t.Errorf("%s: %s: got %d, want %d", name, method, code, want)
			}
		}
	}
}

func TestPlainHTTPOnATLSPort(t *testing.T) {
	a := certstest.New(t, "")
	a.Issue("s", "db1")
	s := start(t, Options{Backend: newFake(t), Settings: Settings{TLS: &certs.ServerOptions{CertFile: a.Path("s.pem"), KeyFile: a.Path("s.key")}}})
	if got := raw(t, s.Addr().String(), "GET /primary HTTP/1.0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 400 ") || !strings.Contains(got, "https") {
		t.Errorf("got %q, want 400 and a hint", got)
	}
}

func TestApply(t *testing.T) {
	a := certstest.New(t, "")
	a.Issue("s", "first")
	s := start(t, Options{Backend: newFake(t)})
	first := s.Addr().String()
	st := s.policy.Load().Settings

	st.Username, st.Password = "u", "p"
	if err := s.Apply(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if got := send(t, "POST", first, "/reload", ""); got.code != 401 {
		t.Errorf("after a password was set: got %d, want 401", got.code)
	}
	st.TLS = &certs.ServerOptions{CertFile: a.Path("none.pem")}
	if err := s.Apply(t.Context(), st); err == nil || !strings.Contains(err.Error(), "restapi.certfile") {
		t.Errorf("got %v, want an error that names restapi.certfile", err)
	}
	if got := send(t, "GET", first, "/primary", ""); got.code != 200 {
		t.Errorf("after settings that cannot be used: got %d, want 200", got.code)
	}
	st.TLS = &certs.ServerOptions{CertFile: a.Path("s.pem"), KeyFile: a.Path("s.key")}
	st.Listen = "127.0.0.2:0"
	if err := s.Apply(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	second := s.Addr().String()
	h := httpsClient(t, certs.ClientOptions{Verify: true, CAFile: a.Path("ca.pem")})
	name := func() string {
		resp, err := h.Get("https://" + second + "/primary")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		h.CloseIdleConnections()
		return resp.TLS.PeerCertificates[0].Subject.CommonName
	}
	if got := name(); got != "first" {
		t.Errorf("got %q, want first", got)
	}
	if c, err := net.Dial("tcp", first); err == nil {
		_ = c.Close()
		t.Error("the former address still listens")
	}
	a.Issue("s", "renewed")
	if err := s.Apply(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "renewed" {
		t.Errorf("got %q, want renewed", got)
	}
}

func TestWarnings(t *testing.T) {
	tls := &certs.ServerOptions{}
	for name, c := range map[string]struct {
		st   Settings
		want string
	}{
		"loopback":                  {Settings{Listen: "127.0.0.1:8008"}, ""},
		"loopback, IPv6":            {Settings{Listen: "[::1]:8008"}, ""},
		"localhost":                 {Settings{Listen: "localhost:8008"}, ""},
		"open":                      {Settings{Listen: ":8008"}, "everybody who reaches it"},
		"open, TLS":                 {Settings{Listen: ":8008", TLS: tls}, "everybody who reaches it"},
		"password, plain":           {Settings{Listen: "192.0.2.1:8008", Username: "u", Password: "p"}, "can be read on the way"},
		"password, TLS":             {Settings{Listen: "192.0.2.1:8008", Username: "u", Password: "p", TLS: tls}, ""},
		"certificates are required": {Settings{Listen: ":8008", TLS: &certs.ServerOptions{Verify: certs.Required}}, ""},
	} {
		got := strings.Join(c.st.Warnings(), "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestConnectionsOfOneAddress(t *testing.T) {
	s := start(t, Options{Backend: newFake(t), Settings: Settings{ConnectionsPerAddress: 3}})
	address := s.Addr().String()
	from := func(ip string) (net.Conn, bool) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		c, err := d.Dial("tcp", address)
		if err != nil {
			return nil, false
		}
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.WriteString(c, "HEAD /primary HTTP/1.1\r\nHost: x\r\n\r\n")
		n, _ := io.ReadFull(c, make([]byte, 12))
		return c, n == 12
	}
	var held []net.Conn
	for range 3 {
		c, ok := from("127.0.0.1")
		if !ok {
			t.Fatal("refused below the bound")
		}
		held = append(held, c)
	}
	if _, ok := from("127.0.0.1"); ok {
		t.Error("a fourth connection was served")
	}
	other, ok := from("127.0.0.3")
	if !ok {
		t.Error("another address was refused")
	} else {
		_ = other.Close()
	}
	_ = held[0].Close()
	eventually(t, func() bool {
		c, ok := from("127.0.0.1")
		if c != nil {
			_ = c.Close()
		}
		return ok
	})
	for _, c := range held {
		_ = c.Close()
	}
}

// syncBuffer is a log that a server writes and a test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestAudit(t *testing.T) {
	var log syncBuffer
	f := newFake(t)
	address := serve(t, Options{Backend: f, Logger: slog.New(slog.NewTextHandler(&log, nil)), Settings: Settings{
		Identities: []Identity{{Name: "ops", Role: Operator, Token: "s3cret"}},
	}})
	send(t, "POST", address, "/reload", "", "Authorization", "Bearer s3cret", "Traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	send(t, "POST", address, "/restart", `{"password": "x"}`, "Authorization", "Bearer wrong")
	send(t, "GET", address, "/config", "")
	eventually(t, func() bool { return strings.Count(log.String(), "msg=audit") == 2 })
	for _, want := range []string{
		`who=ops method=POST path=/reload from=127.0.0.1:`, `code=202 result="reload scheduled" trace=0123456789abcdef0123456789abcdef`,
		`who=anonymous method=POST path=/restart`, `code=401 result="not authenticated" trace=`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("got %s\nwant %s in it", log.String(), want)
		}
	}
	if strings.Contains(log.String(), "s3cret") || strings.Contains(log.String(), "wrong") {
		t.Errorf("a secret is in the log: %s", log.String())
	}
}

// The client of agents speaks TLS with a certificate of its own.
func TestClientOverTLS(t *testing.T) {
	a := certstest.New(t, "")
	a.Issue("s", "db1")
	a.Issue("c", "db2")
	s := start(t, Options{Backend: newFake(t), Settings: Settings{TLS: &certs.ServerOptions{
		CertFile: a.Path("s.pem"), KeyFile: a.Path("s.key"), CAFile: a.Path("ca.pem"), Verify: certs.Required,
	}}})
	url := fmt.Sprintf("https://%s/patroni", s.Addr())
	conf, err := certs.NewClient(certs.ClientOptions{CertFile: a.Path("c.pem"), KeyFile: a.Path("c.key"), Verify: true, CAFile: a.Path("ca.pem")})
	if err != nil {
		t.Fatal(err)
	}
	c := client.New(client.Options{TLS: conf})
	defer c.Close()
	if p := c.Ask(t.Context(), []cluster.Member{{Name: "db1", Data: cluster.MemberData{APIURL: url}}}); !p[0].Reachable || !p[0].Primary {
		t.Errorf("got %+v, want a reachable primary", p[0])
	}
	bare := client.New(client.Options{})
	defer bare.Close()
	if p := bare.Ask(t.Context(), []cluster.Member{{Name: "db1", Data: cluster.MemberData{APIURL: url}}}); p[0].Reachable {
		t.Error("reachable without a certificate")
	}
}
