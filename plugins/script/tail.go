package script

import (
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// The end of what a command wrote that errors tell.
const (
	tailBytes = 600
	tailLines = 4
)

// tailWait is how long the end of the output is waited for after the end of
// the command: something that it has left behind may hold the pipe open.
const tailWait = 200 * time.Millisecond

// tail hands standard error on and keeps the end of it. What outlives the
// command may go on writing.
type tail struct {
	r, w *os.File
	done chan struct{}

	mu  sync.Mutex
	end []byte
}

func newTail(to io.Writer) (*tail, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	t := &tail{r: r, w: w, done: make(chan struct{})}
	go t.copy(to)
	return t, nil
}

// started closes this process's end of the pipe.
func (t *tail) started() { _ = t.w.Close() }

func (t *tail) copy(to io.Writer) {
	defer close(t.done)
	defer func() { _ = t.r.Close() }()
	buf := make([]byte, 16<<10)
	for {
		n, err := t.r.Read(buf)
		if n > 0 {
			_, _ = to.Write(buf[:n]) // nobody to tell
			t.mu.Lock()
			t.end = append(t.end, buf[:n]...)
			if over := len(t.end) - 4*tailBytes; over > 0 {
				t.end = append(t.end[:0], t.end[over:]...)
			}
			t.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// text is the last lines on one line.
func (t *tail) text() string {
	select {
	case <-t.done:
	case <-time.After(tailWait):
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return LastLines(string(t.end))
}

// LastLines is the last lines of an output, on one line and not long.
func LastLines(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	out := strings.ToValidUTF8(strings.Join(lines, "; "), "?")
	if len(out) > tailBytes {
		out = "..." + strings.ToValidUTF8(out[len(out)-tailBytes:], "")
	}
	return out
}
