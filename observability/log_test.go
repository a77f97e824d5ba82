package observability

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRepeatedErrorsAreCounted(t *testing.T) {
	var out bytes.Buffer
	now, trace := time.Unix(0, 0), ""
	log := slog.New(NewHandler(NewLogger(&out, slog.LevelInfo, false).Handler(), func() string { return trace }, func() time.Time { return now }))
	other := log.With("plugin", "x")
	for range 5 {
		log.Error("cannot", "err", errors.New("no"), "took", now.Nanosecond())
		now = now.Add(10 * time.Second)
	}
	other.Error("cannot", "err", errors.New("no"))  // another's
	log.Error("cannot", "err", errors.New("other")) // another reason
	log.Warn("cannot", "err", errors.New("no"))     // another level
	log.Info("again")
	log.Info("again") // no errors
	now = now.Add(time.Minute)
	trace = "0af7"
	log.Error("cannot", "err", errors.New("no"))
	log.Info("done")
	text := out.String()
	if n := strings.Count(text, "msg=cannot"); n != 5 {
		t.Errorf("%d lines, want 5:\n%s", n, text)
	}
	if !strings.Contains(text, "err=no repeated=4 trace_id=0af7\n") || strings.Count(text, "msg=again\n") != 2 || !strings.Contains(text, "msg=done trace_id=0af7\n") {
		t.Errorf("got\n%s", text)
	}
	for i := range 2 * maxRepeated {
		log.Error("many", "n", i)
	}
}

func TestALogFileIsRotatedAndKept(t *testing.T) {
	dir := t.TempDir()
	o := LogFileOptions{Dir: dir, Size: 100, Keep: 2, Mode: 0o640, Queue: 100, Fallback: io.Discard}
	f, err := OpenLogFile(o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if _, err := f.Write([]byte(strings.Repeat(string(rune('a'+i)), 39) + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	f.Close(t.Context())
	for name, want := range map[string]string{LogFileName: "ij", LogFileName + ".1": "gh", LogFileName + ".2": "ef"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(text[0:1]) + string(text[40:41]); len(text) != 80 || got != want {
			t.Errorf("%s has %d bytes, %s, want %s", name, len(text), got, want)
		}
	}
	if info, _ := os.Stat(filepath.Join(dir, LogFileName)); info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", info.Mode())
	}
	if _, err := os.Stat(filepath.Join(dir, LogFileName+".3")); err == nil {
		t.Error("a third old file is kept")
	}
	if f, err = OpenLogFile(o); err != nil { // goes on where it ended
		t.Fatal(err)
	}
	_, _ = f.Write([]byte("more\n"))
	f.Close(t.Context())
	if text, _ := os.ReadFile(filepath.Join(dir, LogFileName)); !strings.HasSuffix(string(text), "j\nmore\n") {
		t.Errorf("got %s", text)
	}
	if _, err := OpenLogFile(LogFileOptions{Dir: filepath.Join(dir, "none")}); err == nil {
		t.Error("a directory that is not there is taken")
	}
}

// A disk that hangs costs lines, never time.
func TestAHungDiskHoldsNobodyUp(t *testing.T) {
	var fallback bytes.Buffer
	f := &LogFile{o: LogFileOptions{Fallback: &fallback}, lines: make(chan []byte, 2), done: make(chan struct{})} // nobody writes
	for range 10 {
		if _, err := f.Write([]byte("x\n")); err != nil {
			t.Fatal(err)
		}
	}
	if f.lost != 8 {
		t.Errorf("%d lines are lost, want 8", f.lost)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.Close(ctx) // returns
	if _, _ = f.Write([]byte("late\n")); fallback.String() != "late\n" {
		t.Errorf("got %q", &fallback)
	}
	// Then the disk is there again: the loss is told.
	f.o.Dir = t.TempDir()
	if err := f.open(); err != nil {
		t.Fatal(err)
	}
	f.run()
	if text, _ := os.ReadFile(filepath.Join(f.o.Dir, LogFileName)); !strings.Contains(string(text), "lines=8") {
		t.Errorf("got %s", text)
	}
}
