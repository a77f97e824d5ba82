package plugins

import (
	"bufio"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pgregent/pgregent/plugins/script"
)

// stderrFilter passes a plugin's standard error on, harmless and bounded, and
// keeps its end for error messages.
type stderrFilter struct {
	mu   sync.Mutex
	last string
}

// run copies until in ends. What comes faster than maxFlood is dropped, and
// that is told once a second.
func (f *stderrFilter) run(in io.Reader, out *io.PipeWriter) {
	r := bufio.NewReaderSize(in, maxLine)
	second, bytes, lines, told := time.Now(), 0, 0, false
	for {
		line, err := readLine(r)
		if now := time.Now(); now.Sub(second) >= time.Second {
			second, bytes, lines, told = now, 0, 0, false
		}
		bytes, lines = bytes+len(line)+1, lines+1
		switch {
		case len(line) == 0:
		case bytes <= maxFlood && lines <= maxFloodLines:
			f.keep(line)
			_, _ = out.Write(append(safeLine(line), '\n')) // an error means that nobody reads any more
		case !told:
			told = true
			_, _ = fmt.Fprintf(out, "the plugin writes more than %d lines or %d bytes a second: some lines are dropped\n", maxFloodLines, maxFlood)
		}
		if err != nil {
			_ = out.CloseWithError(endOf(err))
			return
		}
	}
}

// lines returns a writer for what a plugin, or what it started, prints while
// it works, one log entry a line. It must be closed.
func (l *launcher) lines(s Spec) *io.PipeWriter {
	rawR, rawW := io.Pipe()
	cleanR, cleanW := io.Pipe()
	go (&stderrFilter{}).run(rawR, cleanW)
	go func() {
		for text := bufio.NewScanner(cleanR); text.Scan(); {
			l.log.Info("output", "plugin", s.Name, "line", text.Text())
		}
	}()
	return rawW
}

func (f *stderrFilter) keep(line []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = script.LastLines(f.last + "\n" + printable(line))
}

// said is the end of what the plugin wrote.
func (f *stderrFilter) said() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}
