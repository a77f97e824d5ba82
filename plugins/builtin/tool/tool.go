package tool

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/pgregent/pgregent/plugins/script"
)

// grace is how long a program may take after SIGTERM.
const grace = 8 * time.Second

// Tool is one run of a program.
type Tool struct {
	Path string
	Args []string
	// Env is the whole environment; nil: this process's.
	Env []string
	// Line is called with each line of its output, standard output and
	// standard error alike; a carriage return ends a line, too.
	Line func(string)
}

// Run runs the program. The error has the end of its output.
func Run(ctx context.Context, t Tool) error {
	cmd := exec.CommandContext(ctx, t.Path, t.Args...)
	cmd.Env = t.Env
	out := &lines{call: t.Line}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = grace
	err := cmd.Run()
	out.flush()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if said := script.LastLines(out.said()); said != "" {
		return fmt.Errorf("run %s: %w: %s", filepath.Base(t.Path), err, said)
	}
	return fmt.Errorf("run %s: %w", filepath.Base(t.Path), err)
}

// keep is how much of the output is kept for the error, in bytes.
const keep = 4096

// lines cuts what is written to it into lines.
type lines struct {
	call func(string)

	mu   sync.Mutex
	rest []byte
	last []byte
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = append(l.last, p...)
	if over := len(l.last) - keep; over > 0 {
		l.last = l.last[over:]
	}
	l.rest = append(l.rest, p...)
	for {
		end := bytes.IndexAny(l.rest, "\r\n")
		if end < 0 {
			break
		}
		if end > 0 && l.call != nil {
			l.call(string(l.rest[:end]))
		}
		l.rest = l.rest[end+1:]
	}
	if len(l.rest) > bufio.MaxScanTokenSize {
		l.rest = nil
	}
	return len(p), nil
}

func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 && l.call != nil {
		l.call(string(l.rest))
	}
}

func (l *lines) said() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.last)
}
