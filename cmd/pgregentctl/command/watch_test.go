package command

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// sheet is an output that is read while it is written.
type sheet struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *sheet) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

// await waits until a text is on the sheet.
func (s *sheet) await(t *testing.T, want string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		s.mu.Lock()
		got := s.text.String()
		s.mu.Unlock()
		if strings.Contains(got, want) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("no %q in\n%s", want, got)
		}
	}
}

// Without a terminal each change is a line, until the person ends it.
func TestWatchPrintsChanges(t *testing.T) {
	l := newLab(t)
	l.prepare(try{})
	out := &sheet{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() {
		ended <- Run(ctx, Process{Args: []string{"-c", l.config, "watch", "plain"}, In: strings.NewReader(""), Out: out, Err: out, Environ: []string{"HOME=/nonexistent"}, Now: clock})
	}()
	out.await(t, "12:00:00 watching cluster plain\n")
	l.put("/service/plain/leader", "n2")
	out.await(t, "n2")
	l.put("/service/plain/members/n1", strings.ReplaceAll(strings.ReplaceAll(seeds["plain/members/n1"], "API", l.agents.URL+"/patroni"), `"running"`, `"crashed"`))
	out.await(t, "crashed")
	cancel()
	if code := <-ended; code != exitOK {
		t.Errorf("exit %d", code)
	}
}

// On a terminal the whole screen is drawn, again after a change, and q ends it
// and brings the former screen back.
func TestWatchOnATerminal(t *testing.T) {
	l := newLab(t)
	l.prepare(try{})
	terminal, screen := pseudoTerminal(t, 100)
	keys, press := io.Pipe()
	ended := make(chan int)
	go func() {
		ended <- Run(t.Context(), Process{Args: []string{"-c", l.config, "watch", "plain"}, In: keys, Out: terminal, Err: terminal, Environ: []string{"HOME=/nonexistent", "TERM=xterm"}, Now: clock})
	}()
	l.put("/service/plain/leader", "n2")
	time.AfterFunc(3*time.Second, func() { _, _ = press.Write([]byte("q")) }) // the screen has been drawn again by then, or the test fails
	code := <-ended
	_ = terminal.Close()
	text := <-screen
	for _, want := range []string{"\x1b[?1049h", "Cluster plain at 12:00:00", "(q: quit)", "| n2", "\x1b[?1049l"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%q", want, text)
		}
	}
	if code != exitOK || strings.Count(text, "Cluster plain at") < 2 {
		t.Errorf("exit %d, drawn %d times", code, strings.Count(text, "Cluster plain at"))
	}
}
