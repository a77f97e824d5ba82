package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tool is one run of a PostgreSQL program, or of a shell.
type tool struct {
	// name is looked up in bin_dir, after bin_name; with path set, path is
	// run instead.
	name string
	path string
	args []string
	env  []string // added to the scrubbed environment
	// localized leaves the language alone; else messages are in English.
	localized bool
}

// pipeWait bounds the wait for the output of a killed program, which a
// stranger may hold open.
const pipeWait = time.Second

// tool runs a program to its end and returns its standard output. The error
// holds the end of what it wrote. When ctx ends, the program and its children
// are ended. It dies with the agent: a copy must not go on while a new agent
// looks at the directory.
func (s *Server) tool(ctx context.Context, t tool) (string, error) {
	out, _, err := s.run(ctx, t)
	return out, err
}

// toolOutput is tool; the text is what the program wrote to standard error.
func (s *Server) toolOutput(ctx context.Context, t tool) (string, error) {
	_, said, err := s.run(ctx, t)
	return said, err
}

func (s *Server) run(ctx context.Context, t tool) (out, complaints string, err error) {
	path := t.path
	if path == "" {
		path = s.binary(t.name)
	}
	cmd := exec.CommandContext(ctx, path, t.args...)
	cmd.Env = append(scrubbed(os.Environ()), t.env...)
	if !t.localized {
		cmd.Env = append(cmd.Env, "LANG=C", "LC_ALL=C")
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = pipeWait
	// The death signal is tied to the thread that starts the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	if cmd.Process != nil && ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it had started; gone is fine
	}
	out, complaints = stdout.String(), stderr.String()
	if err == nil {
		return out, complaints, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	said := complaints
	if strings.TrimSpace(said) == "" {
		said = out
	}
	if said = tail(said); said != "" {
		return out, complaints, fmt.Errorf("run %s: %w: %s", filepath.Base(path), err, said)
	}
	return out, complaints, fmt.Errorf("run %s: %w", filepath.Base(path), err)
}

// tail is the last lines of a program's output on one line.
func tail(text string) string {
	const maxLines, maxBytes = 4, 600
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > maxLines {
		lines = lines[len(lines)-maxLines:]
	}
	out := strings.Join(lines, "; ")
	if len(out) > maxBytes {
		out = "..." + strings.ToValidUTF8(out[len(out)-maxBytes:], "")
	}
	return out
}

// scrubbed is the environment for programs that we start: without what is
// meant for the agent alone.
func scrubbed(environ []string) []string {
	out := make([]string, 0, len(environ))
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		switch {
		case name == "NOTIFY_SOCKET", strings.HasPrefix(name, "PATRONI_"),
			strings.HasPrefix(name, "PGREGENT_"), strings.HasPrefix(name, "KUBERNETES_"):
		case name == "PG_MALLOC_ARENA_MAX":
			out = append(out, "MALLOC_ARENA_MAX="+value)
		default:
			out = append(out, kv)
		}
	}
	return out
}

// binary is the path of a PostgreSQL program.
func (s *Server) binary(name string) string {
	cfg := s.config()
	if other := cfg.BinName[name]; other != "" {
		name = other
	}
	if cfg.BinDir == "" || filepath.IsAbs(name) {
		return name // searched in PATH
	}
	return filepath.Join(cfg.BinDir, name)
}

// majorVersion reads PG_VERSION of the data directory: 15 for "15".
func majorVersion(dataDir string) (int, error) {
	text, err := os.ReadFile(filepath.Join(dataDir, "PG_VERSION"))
	if err != nil {
		return 0, fmt.Errorf("read PG_VERSION: %w", err)
	}
	major, _, _ := strings.Cut(strings.TrimSpace(string(text)), ".")
	v, err := strconv.Atoi(major)
	if err != nil {
		return 0, errors.New("read PG_VERSION: " + strconv.Quote(major) + " is not a version")
	}
	return v, nil
}
