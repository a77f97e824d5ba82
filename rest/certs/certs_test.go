package certs

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/rest/certs/certstest"
)

func TestEncryptedKeys(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: nothing to make encrypted keys with")
	}
	a := certstest.New(t, "")
	a.Issue("s", "db1")
	for name, c := range map[string]struct {
		args []string
		err  string
	}{
		"aes-256, sha256": {[]string{"pkcs8", "-topk8", "-v2", "aes256"}, ""},
		"aes-128, sha1":   {[]string{"pkcs8", "-topk8", "-v2", "aes128", "-v2prf", "hmacWithSHA1"}, ""},
		"aes-192, sha512": {[]string{"pkcs8", "-topk8", "-v2", "aes192", "-v2prf", "hmacWithSHA512"}, ""},
		"old PEM":         {[]string{"ec", "-aes256"}, ""},
		"scrypt":          {[]string{"pkcs8", "-topk8", "-scrypt"}, "another way than PBKDF2"},
		"des":             {[]string{"pkcs8", "-topk8", "-v2", "des3"}, "something else than AES-CBC"},
	} {
		out, err := exec.Command("openssl", append(c.args, "-in", a.Path("s.key"), "-out", a.Path("e.key"), "-passout", "pass:s3 cret")...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		_, err = LoadPair(a.Path("s.pem"), a.Path("e.key"), "s3 cret")
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: got %v, want %q", name, err, c.err)
		}
		if _, err := LoadPair(a.Path("s.pem"), a.Path("e.key"), "wrong"); err == nil {
			t.Errorf("%s: a wrong password was accepted", name)
		}
	}
}

func TestLoadPairTellsWhatIsWrong(t *testing.T) {
	a := certstest.New(t, "")
	a.Issue("one", "db1")
	a.Issue("two", "db2")
	both, _ := os.ReadFile(a.Path("one.pem"))
	key, _ := os.ReadFile(a.Path("one.key"))
	a.Write("both.pem", append(both, key...))
	for name, c := range map[string]struct{ cert, key, want string }{
		"a pair":               {"one.pem", "one.key", ""},
		"both in one file":     {"both.pem", "", ""},
		"no such certificate":  {"none.pem", "one.key", "read certificate: "},
		"no such key":          {"one.pem", "none.key", "read key: "},
		"of another":           {"one.pem", "two.key", "does not match"},
		"no key in the file":   {"one.pem", "", "there is no key in PEM form"},
		"key is a certificate": {"one.pem", "ca.pem", "there is no key in PEM form"},
	} {
		keyFile := ""
		if c.key != "" {
			keyFile = a.Path(c.key)
		}
		_, err := LoadPair(a.Path(c.cert), keyFile, "")
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestCiphers(t *testing.T) {
	const gcm128, gcm256, chacha = tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
	for text, c := range map[string]struct {
		want    []uint16
		unknown []string
	}{
		"":                            {nil, nil},
		"ECDHE-RSA-AES128-GCM-SHA256": {[]uint16{gcm128}, nil},
		"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:ECDHE-RSA-CHACHA20-POLY1305": {[]uint16{gcm256, chacha}, nil},
		"ECDHE+AESGCM+RSA:!AES128":                           {[]uint16{gcm256}, nil},
		"ECDHE-RSA-AES128-GCM-SHA256:RC4-MD5:!aNULL:!MD5":    {[]uint16{gcm128}, []string{"RC4-MD5"}},
		"TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES256-GCM-SHA384": {[]uint16{gcm256}, nil},
		"nonsense":                           {nil, []string{"nonsense"}},
		"ECDHE-RSA-AES128-GCM-SHA256:!ECDHE": {[]uint16{}, nil},
	} {
		got, unknown := Ciphers(text)
		if !slices.Equal(got, c.want) || (got == nil) != (c.want == nil) || !slices.Equal(unknown, c.unknown) {
			t.Errorf("%q: got %x %q, want %x %q", text, got, unknown, c.want, c.unknown)
		}
	}
	if all, _ := Ciphers("HIGH:!aNULL"); len(all) < 6 {
		t.Errorf("HIGH: got %d suites, want all secure ones", len(all))
	}
}

// pipe is a connection of this host with itself, at most for seconds.
func pipe(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{near, far} {
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		t.Cleanup(func() { _ = c.Close() })
	}
	return near, far
}

// greet makes one TLS connection and returns the server's certificate's name
// and what both sides say of it.
func greet(t *testing.T, server, client *tls.Config) (name string, err error) {
	t.Helper()
	near, far := pipe(t)
	ended := make(chan error, 1)
	go func() {
		s := tls.Server(far, server)
		err := s.Handshake()
		if err == nil {
			_, err = s.Write([]byte("x"))
		}
		_ = far.Close()
		ended <- err
	}()
	c := client.Clone()
	c.ServerName = "127.0.0.1"
	conn := tls.Client(near, c)
	_, err = io.ReadFull(conn, make([]byte, 1))
	_ = near.Close()
	if serverErr := <-ended; err == nil {
		err = serverErr
	}
	if err == nil {
		name = conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	return name, err
}

func TestHandshakes(t *testing.T) {
	a, stranger := certstest.New(t, ""), certstest.New(t, "")
	a.Issue("s", "db1")
	a.Issue("c", "alice")
	stranger.Issue("c", "mallory")
	for name, c := range map[string]struct {
		verify Verify
		client ClientOptions
		ok     bool
	}{
		"nothing verified":                  {None, ClientOptions{}, true},
		"our authority":                     {None, ClientOptions{Verify: true, CAFile: a.Path("ca.pem")}, true},
		"another authority":                 {None, ClientOptions{Verify: true, CAFile: stranger.Path("ca.pem")}, false},
		"host":                              {None, ClientOptions{VerifyHost: true, CAFile: a.Path("ca.pem")}, true},
		"host, another authority":           {None, ClientOptions{VerifyHost: true, CAFile: stranger.Path("ca.pem")}, false},
		"optional, none sent":               {Optional, ClientOptions{}, true},
		"optional, ours":                    {Optional, ClientOptions{CertFile: a.Path("c.pem"), KeyFile: a.Path("c.key")}, true},
		"optional, of another authority":    {Optional, ClientOptions{CertFile: stranger.Path("c.pem"), KeyFile: stranger.Path("c.key")}, false},
		"required, none sent":               {Required, ClientOptions{}, false},
		"required, ours":                    {Required, ClientOptions{CertFile: a.Path("c.pem"), KeyFile: a.Path("c.key")}, true},
		"not asked for, of somebody else's": {None, ClientOptions{CertFile: stranger.Path("c.pem"), KeyFile: stranger.Path("c.key")}, true},
	} {
		s, err := NewServer(ServerOptions{CertFile: a.Path("s.pem"), KeyFile: a.Path("s.key"), CAFile: a.Path("ca.pem"), Verify: c.verify})
		if err != nil {
			t.Fatal(err)
		}
		client, err := NewClient(c.client)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := greet(t, s.Config(), client); (err == nil) != c.ok || c.ok && got != "db1" {
			t.Errorf("%s: got %q %v, want success %v", name, got, err, c.ok)
		}
	}
}

func TestHostIsChecked(t *testing.T) {
	a := certstest.New(t, "")
	a.Issue("s", "db1")
	s, err := NewServer(ServerOptions{CertFile: a.Path("s.pem"), KeyFile: a.Path("s.key")})
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(ClientOptions{VerifyHost: true, CAFile: a.Path("ca.pem")})
	if err != nil {
		t.Fatal(err)
	}
	near, far := pipe(t)
	go func() { _ = tls.Server(far, s.Config()).Handshake() }()
	c := client.Clone()
	c.ServerName = "192.0.2.1" // the certificate is for 127.0.0.1
	err = tls.Client(near, c).Handshake()
	_ = near.Close()
	if err == nil || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("got %v, want a refusal that names 192.0.2.1", err)
	}
}

func TestChangedFilesAreReadAgain(t *testing.T) {
	a := certstest.New(t, "")
	a.Issue("s", "first")
	var log bytes.Buffer
	s, err := NewServer(ServerOptions{
		CertFile: a.Path("s.pem"), KeyFile: a.Path("s.key"), Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(ClientOptions{Verify: true, CAFile: a.Path("ca.pem")})
	if err != nil {
		t.Fatal(err)
	}
	want := func(name string) {
		t.Helper()
		s.files.mu.Lock()
		s.files.looked = time.Time{} // a second passes
		s.files.mu.Unlock()
		if got, err := greet(t, s.Config(), client); got != name || err != nil {
			t.Fatalf("got %q %v, want %q", got, err, name)
		}
	}
	want("first")
	a.Issue("s", "second")
	want("second")
	a.Write("s.key", []byte("half a fi"))
	want("second")
	if !strings.Contains(log.String(), "the former ones stay in force") {
		t.Errorf("got log %s, want a warning", log.String())
	}
	a.Issue("s", "third")
	want("third")
}

func FuzzDecryptPKCS8(f *testing.F) {
	f.Add([]byte{0x30, 0x03, 0x02, 0x01, 0x05}, "x")
	f.Fuzz(func(t *testing.T, der []byte, password string) {
		if out, err := decryptPKCS8(der, password); err == nil && len(out) == 0 {
			t.Error("an empty key was accepted")
		}
	})
}
