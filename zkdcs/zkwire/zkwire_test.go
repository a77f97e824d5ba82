package zkwire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

func frame(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func connectRequest() []byte {
	body := make([]byte, 44)
	binary.BigEndian.PutUint32(body[24:], 16)
	return frame(body)
}

func connectResponse(s Session) []byte {
	body := make([]byte, 37)
	binary.BigEndian.PutUint32(body[4:], uint32(s.Timeout/time.Millisecond))
	binary.BigEndian.PutUint64(body[8:], uint64(s.ID))
	binary.BigEndian.PutUint32(body[16:], 16)
	copy(body[20:], s.Password[:])
	return frame(body)
}

func FuzzScanner(f *testing.F) {
	f.Add(connectResponse(Session{ID: 1, Timeout: time.Second}), uint8(3))
	f.Add(append(frame(make([]byte, 16)), frame(make([]byte, 300))...), uint8(1))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, uint8(2))
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		whole, wholeErr := scanAll(stream, len(stream))
		parts, partsErr := scanAll(stream, int(step)+1)
		if (wholeErr == nil) != (partsErr == nil) {
			t.Fatalf("got error %v in pieces, want %v", partsErr, wholeErr)
		}
		if !bytes.Equal(parts, whole) {
			t.Fatalf("got %q in pieces, want %q", parts, whole)
		}
	})
}

// scanAll feeds stream in pieces of step bytes and returns the prefixes that
// came out, each with its length before it.
func scanAll(stream []byte, step int) ([]byte, error) {
	s := scanner{least: 2, most: 400}
	var out []byte
	for len(stream) > 0 {
		n := min(step, len(stream))
		err := s.feed(stream[:n], func(p []byte) error {
			_, _ = parseResponse(p) // must not panic, whatever comes
			out = append(append(out, byte(len(p))), p...)
			return nil
		})
		if err != nil {
			return out, err
		}
		stream = stream[n:]
	}
	return out, nil
}

// pipe returns both ends of a TCP connection, the near one through a gate.
func pipe(t *testing.T, g *Gate) (net.Conn, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err := g.Dial("tcp", ln.Addr().String(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func read(t *testing.T, c net.Conn, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	for got := 0; got < n; {
		k, err := c.Read(b[got:])
		if err != nil {
			t.Fatal(err)
		}
		got += k
	}
	return b
}

func write(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

func TestResumePutsTheSessionIntoTheConnectRequest(t *testing.T) {
	want := Session{ID: 0x1234, Password: [16]byte{1, 2, 3}, Timeout: 7 * time.Second}
	g := NewGate(Options{Resume: &want})
	near, far := pipe(t, g)
	write(t, near, connectRequest())
	b := read(t, far, requestLen)
	if id := int64(binary.BigEndian.Uint64(b[requestID:])); id != want.ID {
		t.Errorf("got session %#x, want %#x", id, want.ID)
	}
	if ms := binary.BigEndian.Uint32(b[requestTimeout:]); ms != 7000 {
		t.Errorf("got timeout %d, want 7000", ms)
	}
	if !bytes.Equal(b[requestPassword:], want.Password[:]) {
		t.Errorf("got password %x, want %x", b[requestPassword:], want.Password)
	}
	if _, ok := g.Session(); ok {
		t.Error("session known before the server confirmed it")
	}
	answer := connectResponse(want)
	write(t, far, answer)
	read(t, near, len(answer))
	if got, ok := g.Session(); !ok || got != want {
		t.Errorf("got session %+v, %v, want %+v", got, ok, want)
	}
}

func TestExpiredSessionShutsTheGate(t *testing.T) {
	g := NewGate(Options{Resume: &Session{ID: 5, Timeout: time.Second}})
	near, far := pipe(t, g)
	write(t, near, connectRequest())
	answer := connectResponse(Session{})
	write(t, far, answer)
	read(t, near, len(answer))
	if _, err := g.Dial("tcp", "127.0.0.1:1", time.Second); !errors.Is(err, ErrShut) {
		t.Errorf("got %v, want ErrShut", err)
	}
	if _, ok := g.Session(); ok {
		t.Error("expired session is still known")
	}
}

func TestOnceRefusesASecondConnection(t *testing.T) {
	g := NewGate(Options{Once: true})
	pipe(t, g) // no handshake: does not count
	near, far := pipe(t, g)
	write(t, near, connectRequest())
	answer := connectResponse(Session{ID: 9, Timeout: time.Second})
	write(t, far, answer)
	read(t, near, len(answer))
	if _, err := g.Dial("tcp", "127.0.0.1:1", time.Second); !errors.Is(err, ErrShut) {
		t.Errorf("got %v, want ErrShut", err)
	}
}

func TestDeadlines(t *testing.T) {
	t.Run("handshake", func(t *testing.T) {
		near, _ := pipe(t, NewGate(Options{Handshake: 50 * time.Millisecond}))
		write(t, near, connectRequest())
		_ = near.SetReadDeadline(time.Now().Add(time.Hour)) // the client's idea
		if _, err := near.Read(make([]byte, 4)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want a deadline error", err)
		}
	})
	t.Run("answer", func(t *testing.T) {
		g := NewGate(Options{})
		near, far := pipe(t, g)
		write(t, near, connectRequest())
		answer := connectResponse(Session{ID: 9, Timeout: 4 * time.Second})
		write(t, far, answer)
		read(t, near, len(answer))
		_ = near.SetReadDeadline(time.Now().Add(time.Hour))
		write(t, near, frame(make([]byte, 8)))
		start := time.Now()
		if _, err := near.Read(make([]byte, 4)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want a deadline error", err)
		}
		if took := time.Since(start); took < 900*time.Millisecond || took > 30*time.Second {
			t.Errorf("gave up after %v, want 1 s", took)
		}
		if n := g.Stats().Late; n != 1 {
			t.Errorf("got %d late answers, want 1", n)
		}
	})
}

func TestBadFramesDoNotReachTheClient(t *testing.T) {
	for name, bad := range map[string][]byte{
		"huge connect response":  {0x7f, 0xff, 0xff, 0xff, 0},
		"short connect response": frame(make([]byte, 8)),
	} {
		t.Run(name, func(t *testing.T) {
			near, far := pipe(t, NewGate(Options{}))
			write(t, far, bad)
			if n, err := near.Read(make([]byte, 64)); err == nil {
				t.Errorf("got %d bytes, want an error", n)
			}
		})
	}
}

func TestHostsPausesAfterEachHasBeenTried(t *testing.T) {
	h := &Hosts{}
	if err := h.Init([]string{"a:1", "b:1"}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, want := range []bool{false, false, true, false, true} {
		host, retry := h.Next()
		seen[host] = true
		if retry != want {
			t.Errorf("try %d: got pause %v, want %v", i, retry, want)
		}
	}
	if len(seen) != 2 {
		t.Errorf("got hosts %v, want both", seen)
	}
	h.Connected()
	if _, retry := h.Next(); retry {
		t.Error("pause right after a success")
	}
}
