package zktest

import (
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// Proxy passes TCP connections on to a server, with faults on demand.
type Proxy struct {
	target string
	addr   string
	mark   net.PacketConn // keeps the port while nobody listens

	mu     sync.Mutex
	ln     net.Listener
	flow   chan struct{} // closed while bytes may pass
	pairs  map[*pair]struct{}
	closed bool
	wg     sync.WaitGroup
}

// pair is one connection with its other half.
type pair struct {
	client, server net.Conn
	drop           bool // answers are swallowed; guarded by Proxy.mu
}

// NewProxy listens on a free port of 127.0.0.1.
func NewProxy(target string) (*Proxy, error) {
	port, mark, err := reserve()
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		_ = mark.Close()
		return nil, fmt.Errorf("listen: %w", err)
	}
	p := &Proxy{target: target, addr: ln.Addr().String(), mark: mark, ln: ln, flow: make(chan struct{}), pairs: map[*pair]struct{}{}}
	close(p.flow)
	p.wg.Go(func() { p.accept(ln) })
	return p, nil
}

// Addr is host:port to connect to.
func (p *Proxy) Addr() string { return p.addr }

// Hang lets no byte pass in either direction, on old and new connections,
// until Resume. They stay open.
func (p *Proxy) Hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.flowing() {
		p.flow = make(chan struct{})
	}
}

// Resume ends Hang; what was held back passes.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.flowing() {
		close(p.flow)
	}
}

func (p *Proxy) flowing() bool {
	select {
	case <-p.flow:
		return true
	default:
		return false
	}
}

// Cut closes all connections; what was held back is lost.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.close()
		delete(p.pairs, c)
	}
}

// DropAnswers swallows what the server sends on the present connections, for
// good. New ones are not affected.
func (p *Proxy) DropAnswers() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.drop = true
	}
}

// Refuse closes all connections and refuses new ones until Accept.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	p.ln.Close()
	p.mu.Unlock()
	p.Cut()
}

// Accept ends Refuse.
func (p *Proxy) Accept() error {
	ln, err := net.Listen("tcp", p.addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ln = ln
	p.wg.Go(func() { p.accept(ln) })
	return nil
}

// Close ends everything and waits.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Refuse()
	p.Resume()
	p.wg.Wait()
	_ = p.mark.Close()
}

func (p *Proxy) accept(ln net.Listener) {
	for {
		client, err := ln.Accept()
		if err != nil {
			return
		}
		server, err := net.DialTimeout("tcp", p.target, time.Second)
		if err != nil {
			client.Close()
			continue
		}
		c := &pair{client: client, server: server}
		if !p.add(c) {
			c.close()
			return
		}
		p.wg.Go(func() { p.pump(c, client, server, false) })
		p.wg.Go(func() { p.pump(c, server, client, true) })
	}
}

func (p *Proxy) add(c *pair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.pairs[c] = struct{}{}
	return true
}

// pump copies one direction; answers tells that it is the server's.
func (p *Proxy) pump(c *pair, from, to net.Conn, answers bool) {
	defer p.remove(c)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && p.pass(c, answers) {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass waits until bytes may flow and reports whether these are to be sent.
func (p *Proxy) pass(c *pair, answers bool) bool {
	p.mu.Lock()
	flow := p.flow
	p.mu.Unlock()
	<-flow
	p.mu.Lock()
	defer p.mu.Unlock()
	return !(answers && c.drop)
}

func (p *Proxy) remove(c *pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.close()
	delete(p.pairs, c)
}

func (c *pair) close() {
	c.client.Close()
	c.server.Close()
}
