package rest

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// raw sends bytes, in pieces that the network keeps apart, and returns all
// that comes back until the server closes.
func raw(t *testing.T, address string, pieces ...string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, p := range pieces {
		if _, err := io.WriteString(conn, p); err != nil {
			t.Fatal(err)
		}
	}
	out, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("%q: %v, after %q", pieces, err, out)
	}
	return string(out)
}

func TestRawRequests(t *testing.T) {
	address := serve(t, Options{Backend: newFake(t)})
	for name, c := range map[string]struct {
		send []string
		want string
	}{
		"HAProxy, plain httpchk":         {[]string{"OPTIONS / HTTP/1.0\r\n\r\n"}, "HTTP/1.0 200 OK\r\n"},
		"HAProxy, HEAD /primary":         {[]string{"HEAD /primary HTTP/1.0\r\n\r\n"}, "HTTP/1.0 200 OK\r\n"},
		"HAProxy, HEAD /replica":         {[]string{"HEAD /replica HTTP/1.0\r\n\r\n"}, "HTTP/1.0 503 Service Unavailable\r\n"},
		"HAProxy, HTTP/1.1 without Host": {[]string{"HEAD /primary HTTP/1.1\r\nconnection: close\r\n\r\n"}, "HTTP/1.1 200 OK\r\n"},
		"HTTP/1.1 without any header":    {[]string{"GET /primary HTTP/1.1\r\n\r\n"}, "HTTP/1.1 200 OK\r\n"},
		"the same in pieces":             {[]string{"GET /pri", "mary HTTP/1.1\r", "\n", "\r\n"}, "HTTP/1.1 200 OK\r\n"},
		"HTTP/1.1 with Host":             {[]string{"GET /primary HTTP/1.1\r\nhOsT: x\r\nConnection: close\r\n\r\n"}, "HTTP/1.1 200 OK\r\n"},
		"Host after other headers":       {[]string{"GET / HTTP/1.1\r\nAccept: */*\r\nConnection: close\r\n", "Host: x\r\n\r\n"}, "HTTP/1.1 200 OK\r\n"},
		"F5, stock monitor":              {[]string{"GET /\r\n"}, "HTTP/1.0 200 OK\r\n"},
		"F5, stock monitor, two lines":   {[]string{"GET /\r\n\r\n"}, "HTTP/1.0 200 OK\r\n"},
		"F5, no Host":                    {[]string{"GET /replica HTTP/1.1\r\n\r\n"}, "HTTP/1.1 503 Service Unavailable\r\n"},
		"F5, HTTP/1.0":                   {[]string{"GET /primary HTTP/1.0\r\n\r\n"}, "HTTP/1.0 200 OK\r\n"},
		"absolute URI":                   {[]string{"GET http://x:1/primary?lag=1 HTTP/1.0\r\n\r\n"}, "HTTP/1.0 200 OK\r\n"},
		"absolute URI without path":      {[]string{"GET http://x HTTP/1.0\r\n\r\n"}, "HTTP/1.0 200 OK\r\n"},
		"OPTIONS *":                      {[]string{"OPTIONS * HTTP/1.0\r\n\r\n"}, "HTTP/1.0 503 Service Unavailable\r\n"},
		"body after a mended head":       {[]string{"POST /reload HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"}, "HTTP/1.1 202 Accepted\r\n"},
		"PATCH without length":           {[]string{"PATCH /config HTTP/1.0\r\n\r\n"}, "HTTP/1.0 411 Length Required\r\n"},
		"PATCH with length 0":            {[]string{"PATCH /config HTTP/1.0\r\nContent-Length: 0\r\n\r\n"}, "HTTP/1.0 400 Bad Request\r\n"},
		"bad length":                     {[]string{"PATCH /config HTTP/1.0\r\nContent-Length: x\r\n\r\n"}, "HTTP/1.1 400 Bad Request\r\n"},
		"chunked body":                   {[]string{"PATCH /config HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{\"ttl\":3}\r\n0\r\n\r\n"}, "HTTP/1.1 200 OK\r\n"},
		"nonsense":                       {[]string{"hello\r\n\r\n"}, "HTTP/1.1 400 Bad Request"},
	} {
		got := raw(t, address, c.send...)
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestKeepAlive(t *testing.T) {
	address := serve(t, Options{Backend: newFake(t)})
	const one = "HEAD /primary HTTP/1.1\r\nHost: x\r\n\r\n"
	got := raw(t, address, one+one+"HEAD /replica HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if n := strings.Count(got, "HTTP/1.1 200 OK"); n != 2 || strings.Count(got, "HTTP/1.1 503") != 1 {
		t.Errorf("got %q, want 200, 200, 503", got)
	}
}

func TestMend(t *testing.T) {
	for name, c := range map[string]struct {
		in, out string
		done    bool
	}{
		"nothing":            {"", "", false},
		"half a line":        {"GET / HT", "GET / HT", false},
		"HTTP/0.9":           {"GET /x\r\nrest", "GET /x HTTP/1.0\r\n\r\nrest", true},
		"HTTP/0.9, bare LF":  {"GET /\n", "GET / HTTP/1.0\r\n\r\n", true},
		"HTTP/0.9 POST":      {"POST /\r\n", "POST /\r\n", true},
		"HTTP/1.0":           {"GET / HTTP/1.0\r\n", "GET / HTTP/1.0\r\n", true},
		"headers not ended":  {"GET / HTTP/1.1\r\nA: b\r\n", "GET / HTTP/1.1\r\nA: b\r\n", false},
		"no host":            {"GET / HTTP/1.1\r\nA: b\r\n\r\nbody", "GET / HTTP/1.1\r\nHost: \r\nConnection: close\r\nA: b\r\n\r\nbody", true},
		"host":               {"GET / HTTP/1.1\r\nA: b\r\nHOST:", "GET / HTTP/1.1\r\nA: b\r\nHOST:", true},
		"host in the body":   {"GET / HTTP/1.1\r\n\r\nHost: x", "GET / HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\nHost: x", true},
		"bare LF, no header": {"GET / HTTP/1.1\n\n", "GET / HTTP/1.1\nHost: \r\nConnection: close\r\n\n", true},
	} {
		out, done := mend([]byte(c.in))
		if string(out) != c.out || done != c.done {
			t.Errorf("%s: got %q %v, want %q %v", name, out, done, c.out, c.done)
		}
	}
}

func TestLongHeadIsPassedOn(t *testing.T) {
	ours, theirs := net.Pipe()
	sent := []byte("GET / HTTP/1.1\r\nA: " + strings.Repeat("b", 3*mendLimit) + "\r\n\r\n")
	go func() {
		_, _ = theirs.Write(sent)
		_ = theirs.Close()
	}()
	got, err := io.ReadAll(&mendingConn{Conn: ours})
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got %d bytes, %v; want the %d that were sent", len(got), err, len(sent))
	}
}

func FuzzMend(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nA: b\r\n\r\n"))
	f.Add([]byte("GET /\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, done := mend(in)
		if !done && !bytes.Equal(in, out) {
			t.Errorf("%q was changed to %q before the verdict", in, out)
		}
	})
}
