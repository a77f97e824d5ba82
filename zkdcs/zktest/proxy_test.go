package zktest

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo answers each byte with itself.
func echo(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c) // ends with the connection
			}()
		}
	}()
	return ln.Addr().String()
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ask sends a byte and waits for the answer up to limit.
func ask(c net.Conn, limit time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}

func TestProxyFaults(t *testing.T) {
	p, err := NewProxy(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	const long, short = 10 * time.Second, 100 * time.Millisecond
	c := dial(t, p)
	if err := ask(c, long); err != nil {
		t.Fatalf("pass: %v", err)
	}
	p.Hang()
	if err := ask(c, short); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("hang: got %v, want a deadline error", err)
	}
	p.Resume()
	if err := ask(c, long); err != nil { // the answer that was held back
		t.Errorf("resume: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Errorf("resume: %v", err)
	}
	p.DropAnswers()
	if err := ask(dial(t, p), long); err != nil {
		t.Errorf("new connection while answers of others are dropped: %v", err)
	}
	p.Cut()
	if err := ask(c, long); err == nil {
		t.Error("cut: got an answer")
	}
	p.Refuse()
	if _, err := net.Dial("tcp", p.Addr()); err == nil {
		t.Error("refuse: got a connection")
	}
	if err := p.Accept(); err != nil {
		t.Fatal(err)
	}
	if err := ask(dial(t, p), long); err != nil {
		t.Errorf("accept: %v", err)
	}
}

func TestServer(t *testing.T) {
	s := Start(t, WithTick(200*time.Millisecond))
	first := s.Pid()
	s.Pause()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := ask(c, 100*time.Millisecond); err == nil {
		t.Error("paused server answers")
	}
	s.Resume()
	if _, err := s.Command("ruok"); err != nil {
		t.Errorf("resumed server: %v", err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Pid() == first {
		t.Error("the process is the same after a restart")
	}
	s.Stop()
}
