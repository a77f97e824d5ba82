package zkwire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// replyLeast is the body of the smallest answer, its header: xid int32, zxid
// int64, error int32.
const replyLeast = 16

// watchEvent is the xid of a message that answers nothing.
const watchEvent = -1

// opClose is the operation, the second int32 of a request after its xid, that
// ends the session.
const opClose = -11

// ReplyTimeout is how long one request may stay unanswered before the
// connection is given up for another server: a fifth of the session timeout,
// so that there is time for another server before the lease runs out, but at
// least a second, for a slow commit.
func ReplyTimeout(session time.Duration) time.Duration {
	return max(session/5, time.Second)
}

// conn is one connection of the client.
type conn struct {
	net.Conn
	raw  net.Conn // Conn, or what is below its encryption
	gate *Gate
	// address is what was dialed.
	address string

	mu        sync.Mutex
	opened    bool // the connect request has been sent
	handshake time.Time
	session   Session
	out, in   scanner
	sent      []time.Time // of the unanswered requests, oldest first
	closing   *int32      // xid of the request that ends the session; nil: none was sent
	wish      time.Time   // the client's own read deadline
}

func newConn(visible, raw net.Conn, address string, g *Gate) *conn {
	c := &conn{
		Conn: visible, raw: raw, gate: g, address: address,
		handshake: time.Now().Add(g.opts.Handshake),
		out:       scanner{most: 2 * g.opts.MaxFrame},
		in:        scanner{least: responseLeast, most: responseMost},
	}
	c.applyDeadline()
	return c
}

// abort closes the connection; what is still in the send buffer is dropped.
func (c *conn) abort() {
	if tcp, ok := c.raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // best effort: closing matters
	}
	c.raw.Close()
}

// Close closes the connection without TLS's farewell, which could wait for
// seconds for a server that hangs.
func (c *conn) Close() error { return c.raw.Close() }

// Write sends b, which holds whole frames, the first of them the connect
// request.
func (c *conn) Write(b []byte) (int, error) {
	frame, err := c.outgoing(b)
	if err != nil {
		return 0, fmt.Errorf("send frame: %w", err)
	}
	if _, err := c.Conn.Write(frame); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (c *conn) outgoing(b []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.opened {
		c.opened = true
		return c.gate.request(b)
	}
	now := time.Now()
	err := c.out.feed(b, func(request []byte) error {
		c.sent = append(c.sent, now)
		if len(request) >= 8 && int32(binary.BigEndian.Uint32(request[4:])) == opClose {
			xid := int32(binary.BigEndian.Uint32(request))
			c.closing = &xid
		}
		return nil
	})
	c.applyDeadline()
	return b, err
}

// Read passes on what arrives after looking at it.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		if ferr := c.incoming(b[:n]); ferr != nil {
			c.Close()
			return 0, fmt.Errorf("receive frame: %w", ferr)
		}
	}
	if c.isRefusal(err) {
		c.gate.refuse(c.address, fmt.Errorf("speak TLS with %s: %w", c.address, err))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.gate.overdue()
		c.Close()
	}
	return n, err
}

// isRefusal reports whether err, of a read, is the server's alert about our
// handshake: by TLS 1.3 it looks at a client's certificate only after the
// client has finished.
func (c *conn) isRefusal(err error) bool {
	var alert *net.OpError
	if !errors.As(err, &alert) || alert.Op != "remote error" { // as crypto/tls calls an alert
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session.ID == 0
}

func (c *conn) incoming(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.in.feed(b, c.frame)
	c.applyDeadline()
	return err
}

// frame looks at one message from the server. c.mu is held.
func (c *conn) frame(prefix []byte) error {
	if c.session.ID == 0 {
		s, err := parseResponse(prefix)
		if err != nil {
			return err
		}
		c.session = s
		c.in.least, c.in.most = replyLeast, c.gate.opts.MaxFrame
		return c.gate.answered(s)
	}
	xid := int32(binary.BigEndian.Uint32(prefix))
	if xid == watchEvent || len(c.sent) == 0 {
		return nil
	}
	if c.closing != nil && xid == *c.closing {
		c.gate.closeAnswered(int32(binary.BigEndian.Uint32(prefix[12:])))
	}
	c.gate.measured(time.Since(c.sent[0]))
	c.sent = c.sent[1:]
	return nil
}

// SetReadDeadline notes the client's wish; the earliest deadline counts.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wish = t
	return c.applyDeadline()
}

// applyDeadline sets the earliest of the deadlines that apply: the
// handshake's, the client's, and that of the oldest unanswered request. c.mu
// is held, or c is not shared yet.
func (c *conn) applyDeadline() error {
	at := c.wish
	earliest := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	switch {
	case c.session.ID == 0:
		earliest(c.handshake)
	case len(c.sent) > 0:
		earliest(c.sent[0].Add(ReplyTimeout(c.session.Timeout)))
	}
	return c.Conn.SetReadDeadline(at)
}
