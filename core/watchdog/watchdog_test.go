package watchdog

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTimeout(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		t      Timing
		margin time.Duration
		want   time.Duration // 0: refused
	}{
		"defaults":                       {Timing{30 * s, 10 * s, 0}, 5 * s, 25 * s},
		"half the ttl":                   {Timing{31 * s, 10 * s, 0}, HalfTTL, 15 * s},
		"a shorter lease":                {Timing{60 * s, 10 * s, 36900 * time.Millisecond}, 5 * s, 36 * s},
		"a longer lease":                 {Timing{30 * s, 10 * s, 26900 * time.Millisecond}, 5 * s, 25 * s},
		"exactly loop_wait":              {Timing{20 * s, 10 * s, 0}, 10 * s, 10 * s},
		"shorter than loop_wait":         {Timing{20 * s, 10 * s, 0}, 10*s + 1, 0},
		"the shortest ttl, by default":   {Timing{5 * s, 1 * s, 0}, 5 * s, 0},
		"the shortest ttl, half of it":   {Timing{5 * s, 1 * s, 0}, HalfTTL, 2 * s},
		"no margin, but a lease shorter": {Timing{5 * s, 1 * s, 2900 * time.Millisecond}, 0, 2 * s},
	} {
		got, err := Timeout(c.t, c.margin)
		if got != c.want || (err == nil) != (c.want != 0) {
			t.Errorf("%s: got %v, %v; want %v", name, got, err, c.want)
		}
	}
}

// pipe makes a FIFO with a reader.
func pipe(t *testing.T) (path string, reader *os.File) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "watchdog")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() })
	return path, reader
}

func newTesting(path string, margin time.Duration) *Watchdog {
	return New(Options{Device: path, Testing: true, SafetyMargin: margin, Logger: slog.New(slog.DiscardHandler)})
}

func TestLifeOfAWatchdog(t *testing.T) {
	path, reader := pipe(t)
	w := newTesting(path, 5*time.Second)
	timing := Timing{TTL: 30 * time.Second, LoopWait: 10 * time.Second}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(w.Feed()) // not active: nothing
	check(w.Disable())
	check(w.Check(timing))
	if w.Active() {
		t.Error("active by a look")
	}
	check(w.Activate(timing))
	check(w.Feed())
	check(w.Activate(timing)) // again: a feed
	timing.TTL = 20 * time.Second
	check(w.Activate(timing)) // changed: set while active
	if !w.Active() {
		t.Error("not active")
	}
	check(w.Disable())
	got, err := io.ReadAll(reader)
	if want := "Ctimeout=25\n111Ctimeout=15\n1V"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if w.Active() {
		t.Error("still active")
	}
}

func TestUnusable(t *testing.T) {
	path, reader := pipe(t)
	timing := Timing{TTL: 30 * time.Second, LoopWait: 10 * time.Second}
	missing := newTesting(filepath.Join(t.TempDir(), "none"), 0)
	for _, err := range []error{missing.Check(timing), missing.Activate(timing)} {
		if err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("missing device: got %v", err)
		}
	}
	w := newTesting(path, 25*time.Second)
	for _, err := range []error{w.Check(timing), w.Activate(timing)} {
		if err == nil || !strings.Contains(err.Error(), "loop_wait") {
			t.Errorf("no slack: got %v", err)
		}
	}
	w = newTesting(path, 0)
	if err := w.Activate(timing); err != nil {
		t.Fatal(err)
	}
	_ = reader.Close()
	if err := w.Feed(); err == nil {
		t.Error("a device that is gone was fed")
	}
	if err := newTesting(path, 0).Activate(timing); err == nil || !strings.Contains(err.Error(), "no such device") {
		t.Errorf("nobody at the other end: got %v", err)
	}
	// A regular file is not a device of the kernel.
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	real := New(Options{Device: plain, Logger: slog.New(slog.DiscardHandler)})
	if err := real.Activate(timing); err == nil || real.Active() {
		t.Errorf("a plain file was taken for a watchdog: %v", err)
	}
}

// stubborn cannot be stopped, or takes another timeout.
type stubborn struct {
	written strings.Builder
	granted int
	closed  bool
}

func (d *stubborn) Write(b []byte) (int, error)      { return d.written.Write(b) }
func (d *stubborn) Close() error                     { d.closed = true; return nil }
func (d *stubborn) setTimeout(want int) (int, error) { return max(want, d.granted), nil }
func (d *stubborn) canStop() bool                    { return false }

func TestADeviceThatCannotBeStopped(t *testing.T) {
	d := &stubborn{}
	w := newTesting("x", 0)
	w.open = func(string) (device, error) { return d, nil }
	timing := Timing{TTL: 30 * time.Second, LoopWait: 10 * time.Second}
	if err := w.Activate(timing); err != nil {
		t.Fatal(err)
	}
	if err := w.Disable(); err != nil || d.written.String() != "11" || !d.closed {
		t.Errorf("got %q, %v, want one last keepalive", d.written.String(), err)
	}
	d.granted = 60
	if err := w.Activate(timing); err == nil || w.Active() {
		t.Errorf("a longer timeout than asked for was taken: %v", err)
	}
}

// TestChange: another device is active before the former one stops, and one
// that cannot be used changes nothing.
func TestChange(t *testing.T) {
	path, reader := pipe(t)
	second, other := pipe(t)
	w := newTesting(path, 5*time.Second)
	timing := Timing{TTL: 30 * time.Second, LoopWait: 10 * time.Second}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	heard := func(f *os.File, want string) {
		t.Helper()
		b := make([]byte, 1<<10)
		n, _ := f.Read(b) // nothing is told by n
		if got := string(b[:n]); got != want {
			t.Errorf("the device heard %q, want %q", got, want)
		}
	}
	check(w.Activate(timing))
	heard(reader, "Ctimeout=25\n1")
	to := func(device string, margin time.Duration) Options {
		return Options{Device: device, Testing: true, SafetyMargin: margin}
	}
	check(w.Change(to(path, 10*time.Second)))
	check(w.Activate(timing))
	heard(reader, "Ctimeout=20\n1")
	if err := w.Change(to(second+"-missing", 10*time.Second)); err == nil {
		t.Error("a device that is not there is taken")
	}
	check(w.Activate(timing))
	heard(reader, "1")
	check(w.Change(to(second, 10*time.Second)))
	heard(other, "Ctimeout=20\n1")
	heard(reader, "V")
	check(w.Activate(timing))
	heard(other, "1")
	if err := w.Activate(Timing{TTL: 15 * time.Second, LoopWait: 10 * time.Second}); err == nil || w.Active() {
		t.Error("a timeout that is too short leaves the device active, and nobody feeds it")
	}
	heard(other, "V")
	check(w.Change(to(path, 5*time.Second)))
	check(w.Activate(timing))
	heard(reader, "Ctimeout=25\n1")
	check(w.Disable())
}
