package zkwire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// ErrShut means that the gate lets no connection through any more.
var ErrShut = errors.New("gate is shut")

// ErrCloseUnanswered means that no server has said that the session is over.
var ErrCloseUnanswered = errors.New("the request to end the session got no answer")

// The defaults of Options.
const (
	// DefaultHandshake caps the time from the TCP connection to the connect
	// response. The client itself would wait 6.7 session timeouts.
	DefaultHandshake = 2 * time.Second
	// DefaultMaxFrame is ZooKeeper's default jute.maxbuffer.
	DefaultMaxFrame = 1 << 20
	// redial is the least time between two connections to one address.
	redial = 100 * time.Millisecond
)

// Options of a Gate.
type Options struct {
	// Resume is a session to attach to in place of starting a new one.
	Resume *Session
	// Once shuts the gate for good when the first connection that completed
	// its handshake is over.
	Once bool
	// Handshake and MaxFrame: 0 means the default.
	Handshake time.Duration
	MaxFrame  int
	// TLS is what encrypts the connection to a server, whose host name or
	// address it is given; nil: nothing does.
	TLS func(host string) *tls.Config
	// Refused is told why a server could not be used: its certificate, or ours
	// for it. It may be nil.
	Refused func(address string, err error)
}

// Stats are counts since the gate was made, and the last measurements.
type Stats struct {
	Dials     int64 // connections tried
	Attached  int64 // handshakes completed
	Answers   int64 // answered requests and pings
	Late      int64 // connections dropped because an answer was overdue
	RoundTrip time.Duration
}

// Gate is the dialer of one client. It keeps that client to one session: once
// a session is known, every connection asks for that session, and when the
// server says that it has expired, the gate shuts.
type Gate struct {
	opts Options

	mu       sync.Mutex
	shut     error
	session  *Session
	attached bool // in a handshake that completed, at least once
	conn     *conn
	opening  net.Conn // before its TLS handshake is over
	dialed   map[string]time.Time
	stats    Stats
	closed   error // what became of the request to end the session
}

// NewGate returns an open gate.
func NewGate(o Options) *Gate {
	if o.Handshake == 0 {
		o.Handshake = DefaultHandshake
	}
	if o.MaxFrame == 0 {
		o.MaxFrame = DefaultMaxFrame
	}
	g := &Gate{opts: o, dialed: map[string]time.Time{}, closed: ErrCloseUnanswered}
	if o.Resume != nil {
		s := *o.Resume
		g.session = &s
	}
	return g
}

// Dial connects to address, whose host name is resolved anew each time. It
// has the signature of the client's dialer.
func (g *Gate) Dial(network, address string, timeout time.Duration) (net.Conn, error) {
	pause, err := g.admit(address)
	if err != nil {
		return nil, err
	}
	time.Sleep(pause) // bounded by redial: a server that hangs up at once
	raw, err := net.DialTimeout(network, address, timeout)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	secure, err := g.encrypt(raw, address)
	if err != nil {
		raw.Close()
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opening = nil
	if g.shut != nil {
		raw.Close()
		return nil, g.shut
	}
	g.conn = newConn(secure, raw, address, g)
	return g.conn, nil
}

// encrypt makes the TLS handshake on raw, if there is to be one.
func (g *Gate) encrypt(raw net.Conn, address string) (net.Conn, error) {
	if g.opts.TLS == nil {
		return raw, nil
	}
	g.mu.Lock()
	if g.shut != nil {
		defer g.mu.Unlock()
		return nil, g.shut
	}
	g.opening = raw // so that Shut ends the handshake
	g.mu.Unlock()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), g.opts.Handshake, errors.New("no answer to the TLS handshake"))
	defer cancel()
	secure := tls.Client(raw, g.opts.TLS(host))
	if err := secure.HandshakeContext(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		err = fmt.Errorf("speak TLS with %s: %w", address, err)
		g.refuse(address, err)
		return nil, err
	}
	return secure, nil
}

func (g *Gate) refuse(address string, err error) {
	if g.opts.Refused != nil {
		g.opts.Refused(address, err)
	}
}

// admit reports whether address may be dialed now, and after which pause.
func (g *Gate) admit(address string) (time.Duration, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil && g.opts.Once && g.attached {
		g.shut = fmt.Errorf("%w: one connection only", ErrShut)
	}
	if g.shut != nil {
		return 0, g.shut
	}
	now := time.Now()
	pause := max(0, redial-now.Sub(g.dialed[address]))
	g.dialed[address] = now.Add(pause)
	g.stats.Dials++
	return pause, nil
}

// Shut closes the connection, discarding what is not sent yet, and refuses
// every later one. The first reason is kept.
func (g *Gate) Shut(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		g.shut = fmt.Errorf("%w: %s", ErrShut, reason)
	}
	if g.opening != nil {
		g.opening.Close()
	}
	if g.conn != nil {
		g.conn.abort()
	}
}

// Session is the session of the last completed handshake; false if none was
// completed yet or if the session has expired.
func (g *Gate) Session() (Session, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.session == nil || !g.attached {
		return Session{}, false
	}
	return *g.session, true
}

// Closed is nil once a server has answered that it has ended the session, else
// why not. The client keeps that answer to itself.
func (g *Gate) Closed() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

// Stats returns the counts.
func (g *Gate) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stats
}

// request returns the connect request to send in place of b.
func (g *Gate) request(b []byte) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.session == nil {
		return b, nil
	}
	return patchRequest(b, *g.session)
}

// answered takes the session of a connect response over.
func (g *Gate) answered(s Session) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case s.ID == 0:
		// The client must still see this answer, so the connection stays.
		g.shut = fmt.Errorf("%w: session expired", ErrShut)
		g.session, g.attached = nil, false
		return nil
	case g.session != nil && g.session.ID != s.ID:
		return fmt.Errorf("server attached session %#x in place of %#x", s.ID, g.session.ID)
	}
	g.session, g.attached = &s, true
	g.stats.Attached++
	return nil
}

// closeAnswered notes the error code in the answer to the request to end the
// session; 0: it was done.
func (g *Gate) closeAnswered(code int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = nil
	if code != 0 {
		g.closed = fmt.Errorf("the servers refuse to end the session (error %d)", code)
	}
}

func (g *Gate) measured(took time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stats.Answers++
	g.stats.RoundTrip = took
}

func (g *Gate) overdue() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stats.Late++
}
