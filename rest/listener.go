package rest

import (
	"bytes"
	"net"
	"strings"
)

// mendLimit bounds what is read ahead, in bytes. The heads of monitors are
// far smaller.
const mendLimit = 8 << 10

// mendingConn makes net/http understand two kinds of request that load
// balancers send and that it answers 400: HTTP/1.1 without Host (checks of
// HAProxy and hand-written monitor strings), and "GET /" without a version
// (the stock monitor of F5 BIG-IP).
//
// It reads ahead until it knows whether the first request head needs
// mending, at most mendLimit bytes and under the deadlines that the server
// sets; from then on it hands bytes through. A mended request also gets
// "Connection: close", so that every request of such a client is the first
// of its connection. It is read by one goroutine at a time.
type mendingConn struct {
	net.Conn
	decided bool
	head    []byte // what was read ahead and not handed out
}

// Read implements net.Conn.
func (c *mendingConn) Read(p []byte) (int, error) {
	if !c.decided {
		if err := c.readAhead(); err != nil && len(c.head) == 0 {
			return 0, err
		}
	}
	if len(c.head) > 0 {
		n := copy(p, c.head)
		if c.head = c.head[n:]; len(c.head) == 0 {
			c.head = nil
		}
		return n, nil
	}
	return c.Conn.Read(p)
}

// CloseWrite lets the server end its half first, so that the last answer is
// not lost in a reset.
func (c *mendingConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// readAhead fills head with the first request, mended or not. After an error
// what was read is handed out as it is.
func (c *mendingConn) readAhead() error {
	c.decided = true
	buf := make([]byte, 0, 2048)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, len(buf))...)[:len(buf)]
		}
		n, err := c.Conn.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		mended, done := mend(buf)
		c.head = mended
		if err != nil || done || len(buf) >= mendLimit {
			return err
		}
	}
}

// mend returns the start of a connection with its request head made
// acceptable to net/http, and whether more bytes cannot change the verdict.
func mend(in []byte) (out []byte, done bool) {
	end := bytes.IndexByte(in, '\n')
	if end < 0 {
		return in, false
	}
	words := strings.Fields(string(in[:end]))
	switch {
	case len(words) == 2 && words[0] == "GET":
		// HTTP/0.9: the line is the whole request.
		return append([]byte("GET "+words[1]+" HTTP/1.0\r\n\r\n"), in[end+1:]...), true
	case len(words) != 3 || words[2] != "HTTP/1.1":
		return in, true
	}
	switch hostSeen, complete := scanHeaders(in[end+1:]); {
	case hostSeen:
		return in, true
	case !complete:
		return in, false
	}
	out = append(out, in[:end+1]...)
	out = append(out, "Host: \r\nConnection: close\r\n"...)
	return append(out, in[end+1:]...), true
}

// scanHeaders reports whether a Host header is there, and whether the empty
// line that ends the headers is.
func scanHeaders(in []byte) (hostSeen, complete bool) {
	for {
		line, rest, whole := bytes.Cut(in, []byte("\n"))
		if len(line) >= 5 && bytes.EqualFold(line[:5], []byte("host:")) {
			return true, false
		}
		if !whole {
			return false, false
		}
		if len(bytes.TrimSpace(line)) == 0 {
			return false, true
		}
		in = rest
	}
}
