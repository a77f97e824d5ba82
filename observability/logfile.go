package observability

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// LogFileName is the log's file in log.dir; older ones have .1, .2, ...
const LogFileName = "pgregent.log"

// LogFileOptions are those of the log section.
type LogFileOptions struct {
	Dir string
	// Size is from which a file is rotated, in bytes; Keep how many old ones
	// are kept.
	Size int64
	Keep int
	// Mode is the permission of files; 0: as the umask says.
	Mode fs.FileMode
	// Queue is how many lines may wait for the disk.
	Queue int
	// Fallback gets what cannot be written.
	Fallback io.Writer
}

// LogFile is a log on a disk that may be slow, full or hung: nobody waits for
// it. Lines that there is no room for are counted, and the count is logged.
type LogFile struct {
	o     LogFileOptions
	lines chan []byte
	done  chan struct{}
	file  *os.File
	size  int64

	mu     sync.Mutex // of closed and lost
	closed bool
	lost   int
}

// OpenLogFile opens the file, which goes on where it ended.
func OpenLogFile(o LogFileOptions) (*LogFile, error) {
	f := &LogFile{o: o, lines: make(chan []byte, max(o.Queue, 1)), done: make(chan struct{})}
	if err := f.open(); err != nil {
		return nil, err
	}
	go f.run()
	return f, nil
}

func (f *LogFile) path(n int) string {
	p := filepath.Join(f.o.Dir, LogFileName)
	if n > 0 {
		p += "." + strconv.Itoa(n)
	}
	return p
}

func (f *LogFile) open() error {
	mode := f.o.Mode
	if mode == 0 {
		mode = 0o666 // the umask takes the rest
	}
	file, err := os.OpenFile(f.path(0), os.O_CREATE|os.O_APPEND|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	info, err := file.Stat()
	if err == nil && f.o.Mode != 0 {
		err = file.Chmod(f.o.Mode)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open log: %w", err), file.Close())
	}
	f.file, f.size = file, info.Size()
	return nil
}

// Write takes one line over. It never waits and never fails.
func (f *LogFile) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return f.o.Fallback.Write(line)
	}
	select {
	case f.lines <- append([]byte(nil), line...):
	default:
		f.lost++
	}
	return len(line), nil
}

func (f *LogFile) run() {
	defer close(f.done)
	for line := range f.lines {
		f.put(line)
		f.mu.Lock()
		lost := f.lost
		f.lost = 0
		f.mu.Unlock()
		if lost > 0 {
			f.put(fmt.Appendf(nil, "time=%s level=WARN msg=\"lines of the log were lost: the disk did not keep up\" lines=%d\n", time.Now().UTC().Format(time.RFC3339Nano), lost))
		}
	}
}

// put writes a line, or hands it to the fallback.
func (f *LogFile) put(line []byte) {
	if f.o.Size > 0 && f.size > 0 && f.size+int64(len(line)) > f.o.Size {
		f.rotate()
	}
	if f.file != nil {
		n, err := f.file.Write(line)
		f.size += int64(n)
		if err == nil {
			return
		}
	}
	_, _ = f.o.Fallback.Write(line) // nobody else is left to tell
}

// rotate moves each file to the next number and begins an empty one. What
// fails leaves the log where it is.
func (f *LogFile) rotate() {
	if f.o.Keep == 0 {
		if err := f.file.Truncate(0); err == nil {
			f.size = 0
		}
		return
	}
	for n := f.o.Keep - 1; n >= 0; n-- {
		if err := os.Rename(f.path(n), f.path(n+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.size = 0 // tried again when as much was written
			return
		}
	}
	old := f.file
	if err := f.open(); err != nil {
		f.size = 0
		return
	}
	_ = old.Close() // all was written
}

// Close writes what waits, until ctx ends. Later lines go to the fallback.
func (f *LogFile) Close(ctx context.Context) {
	f.mu.Lock()
	already := f.closed
	f.closed = true
	f.mu.Unlock()
	if already {
		return
	}
	close(f.lines)
	select {
	case <-f.done:
		_ = f.file.Close()
	case <-ctx.Done():
	}
}
