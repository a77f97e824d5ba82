package script

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// write makes an executable script.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "my script.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

func TestArgumentsAndEnvironment(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	s := write(t, `for a in "$@"; do echo "[$a]"; done >`+out+`; env >`+out+`.env; umask >`+out+`.umask; pwd >`+out+`.pwd`)
	t.Setenv("PATRONI_SUPERUSER_PASSWORD", "secret")
	t.Setenv("PGREGENT_SCOPE", "x")
	t.Setenv("NOTIFY_SOCKET", "/run/x")
	t.Setenv("SITE_VARIABLE", "kept")
	err := Run(t.Context(), Command{Line: `'` + s + `' "two words" a\ b '$HOME' *`, Args: []string{"--connstring=host=a b", ""}, Env: []string{"PGPASSFILE=/p"}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := read(t, out), "[two words]\n[a b]\n[$HOME]\n[*]\n[--connstring=host=a b]\n[]\n"; got != want {
		t.Errorf("arguments: got %q, want %q", got, want)
	}
	env := strings.Split(read(t, out+".env"), "\n")
	for _, want := range []string{"PGPASSFILE=/p", "SITE_VARIABLE=kept", "PATH=" + os.Getenv("PATH")} {
		if !slices.Contains(env, want) {
			t.Errorf("environment lacks %s", want)
		}
	}
	for _, kv := range env {
		if strings.HasPrefix(kv, "PATRONI_") || strings.HasPrefix(kv, "PGREGENT_") || strings.HasPrefix(kv, "NOTIFY_SOCKET") {
			t.Errorf("environment has %s", kv)
		}
	}
	wd, _ := os.Getwd()
	if got := strings.TrimSpace(read(t, out+".umask")); got != "0077" {
		t.Errorf("umask: got %s, want 0077", got)
	}
	if got := strings.TrimSpace(read(t, out+".pwd")); got != wd {
		t.Errorf("working directory: got %s, want %s", got, wd)
	}
}

func TestUmaskFollowsTheDataDirectory(t *testing.T) {
	out, dir := filepath.Join(t.TempDir(), "out"), t.TempDir()
	if err := os.Chmod(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	before := unix.Umask(0o022)
	defer unix.Umask(before)
	if err := Run(t.Context(), Command{Line: `sh -c 'umask >` + out + `'`, DataDir: dir}); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(read(t, out)); got != "0027" {
		t.Errorf("umask: got %s, want 0027", got)
	}
	if got := unix.Umask(0o022); got != 0o022 {
		t.Errorf("umask of this process: got %#o, want 022", got)
	}
}

func TestErrorsTellStatusAndLastWords(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		want []string
	}{
		"exit status":    {`sh -c 'echo first >&2; echo why not >&2; exit 3'`, []string{"run sh: exit status 3", "first; why not"}},
		"signal":         {`sh -c 'kill -9 $$'`, []string{"signal: killed"}},
		"not there":      {"/nowhere/to/be/found", []string{"cannot be run", "no such file"}},
		"not executable": {"/etc/passwd", []string{"cannot be run", "permission denied"}},
		"open quote":     {`sh 'x`, []string{"cannot be run", "split"}},
		"empty":          {"  ", []string{"cannot be run", "empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := Run(t.Context(), Command{Line: c.line})
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
		})
	}
}

func TestFloodOfOutputEndsNothing(t *testing.T) {
	err := Run(t.Context(), Command{Line: `sh -c 'head -c 3000000 /dev/zero | tr "\\0" x >&2; echo >&2; echo the end >&2; exit 1'`, Stdout: os.Stderr})
	if err == nil || !strings.HasSuffix(err.Error(), "the end") || len(err.Error()) > 2*tailBytes {
		t.Errorf("got an error of %d bytes, want the end of the output", len(err.Error()))
	}
}

func TestADaemonLeftBehindHoldsNothing(t *testing.T) {
	began := time.Now()
	if err := Run(t.Context(), Command{Line: `sh -c 'sleep 30 & echo $! >&2; exit 1'`}); err == nil {
		t.Error("got no error")
	} else if pid, err := strconv.Atoi(err.Error()[strings.LastIndexByte(err.Error(), ' ')+1:]); err == nil {
		defer func() { _ = unix.Kill(pid, unix.SIGKILL) }()
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestCancelEndsTheWholeTree(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		grace  time.Duration
		termed bool
	}{
		"obeys SIGTERM":   {`trap 'echo term >$OUT.term; exit 0' TERM; setsid sleep 60 & echo $! >$OUT.tmp; mv $OUT.tmp $OUT; while :; do sleep 0.05; done`, 5 * time.Second, true},
		"ignores SIGTERM": {`trap '' TERM; setsid sleep 60 & echo $! >$OUT.tmp; mv $OUT.tmp $OUT; while :; do sleep 0.05; done`, 100 * time.Millisecond, false},
		"no grace":        {`setsid sleep 60 & echo $! >$OUT.tmp; mv $OUT.tmp $OUT; while :; do sleep 0.05; done`, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			s := write(t, c.script)
			ctx, cancel := context.WithCancelCause(t.Context())
			why := errors.New("a newer one came")
			done := make(chan error, 1)
			go func() { done <- Run(ctx, Command{Line: "'" + s + "'", Env: []string{"OUT=" + out}, Grace: c.grace}) }()
			eventually(t, "the child", func() bool { _, err := os.Stat(out); return err == nil })
			child, _ := strconv.Atoi(strings.TrimSpace(read(t, out)))
			cancel(why)
			if err := <-done; !errors.Is(err, why) {
				t.Errorf("got %v, want the cause", err)
			}
			if _, err := os.Stat(out + ".term"); (err == nil) != c.termed {
				t.Errorf("SIGTERM seen: got %v, want %v", err == nil, c.termed)
			}
			if c.termed {
				_ = unix.Kill(child, unix.SIGKILL) // it left its group and its parent ended in order
				return
			}
			eventually(t, "the end of the child", func() bool { return !Alive(child, 0) })
		})
	}
}
