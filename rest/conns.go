package rest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// door accepts connections: it bounds those of one address, adds TLS where
// that is configured now, and mends the first request.
type door struct {
	net.Listener
	s *Server
}

// Accept implements net.Listener.
func (d door) Accept() (net.Conn, error) {
	for {
		raw, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		p := d.s.policy.Load()
		conn, ok := d.s.conns.admit(raw, p.ConnectionsPerAddress)
		if !ok {
			d.s.conns.tell(d.s.log, raw.RemoteAddr())
			if c, isTCP := raw.(*net.TCPConn); isTCP {
				_ = c.SetLinger(0) // no state is kept for it
			}
			_ = raw.Close()
			continue
		}
		if p.tls == nil {
			return &mendingConn{Conn: conn}, nil
		}
		return &mendingConn{Conn: &tlsConn{Conn: tls.Server(conn, p.tls.Config()), raw: conn}}, nil
	}
}

// tlsConn answers plain HTTP in its own words.
type tlsConn struct {
	*tls.Conn
	raw net.Conn
}

// Read implements net.Conn.
func (c *tlsConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if plain, ok := errors.AsType[tls.RecordHeaderError](err); ok && plain.Conn != nil {
		_, _ = c.raw.Write([]byte("HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nthis port speaks https\n"))
		_ = c.raw.Close()
	}
	return n, err
}

// certificateKey is where a connection's TLS state is found in a context.
type certificateKey struct{}

// connContext keeps the TLS side of a connection for its requests.
func connContext(ctx context.Context, c net.Conn) context.Context {
	if m, ok := c.(*mendingConn); ok {
		if t, ok := m.Conn.(*tlsConn); ok {
			return context.WithValue(ctx, certificateKey{}, t.Conn)
		}
	}
	return ctx
}

// certificate is the verified one that the client has shown, nil if none.
func certificate(ctx context.Context) *x509.Certificate {
	conn, _ := ctx.Value(certificateKey{}).(*tls.Conn)
	if conn == nil {
		return nil
	}
	if chains := conn.ConnectionState().VerifiedChains; len(chains) > 0 {
		return chains[0][0]
	}
	return nil
}

// conns counts open connections by address.
type conns struct {
	mu     sync.Mutex
	open   map[netip.Addr]int
	toldAt time.Time
}

// admit counts a connection until it is closed; false if the address has its
// share already.
func (c *conns) admit(conn net.Conn, limit int) (net.Conn, bool) {
	at, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return conn, true
	}
	from := at.Addr().Unmap()
	c.mu.Lock()
	defer c.mu.Unlock()
	if limit > 0 && c.open[from] >= limit {
		return nil, false
	}
	if c.open == nil {
		c.open = map[netip.Addr]int{}
	}
	c.open[from]++
	return &countedConn{Conn: conn, leave: func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.open[from]--; c.open[from] <= 0 {
			delete(c.open, from)
		}
	}}, true
}

// tellEvery spaces the warnings about refused connections.
const tellEvery = time.Minute

func (c *conns) tell(log *slog.Logger, from net.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.toldAt) >= tellEvery {
		c.toldAt = time.Now()
		log.Warn("connection refused: its address has as many as restapi.max_connections_per_address allows", "from", from.String())
	}
}

// countedConn is one of them.
type countedConn struct {
	net.Conn
	left  atomic.Bool
	leave func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	if c.left.CompareAndSwap(false, true) {
		c.leave()
	}
	return c.Conn.Close()
}

// CloseWrite ends the writing half.
func (c *countedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
