package postgres

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fileWatch tells when postmaster.pid, the promote file or pg_control of a
// data directory change.
type fileWatch struct {
	inotify *os.File
	dir     int // watch descriptor of the data directory
}

// watchFiles starts watching.
func watchFiles(dataDir string) (*fileWatch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch data directory: %w", err)
	}
	w := &fileWatch{inotify: os.NewFile(uintptr(fd), "inotify")}
	const names = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MODIFY | unix.IN_MOVED_TO
	if w.dir, err = unix.InotifyAddWatch(fd, dataDir, names); err == nil {
		_, err = unix.InotifyAddWatch(fd, filepath.Join(dataDir, "global", "pg_control"), unix.IN_MODIFY)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch data directory: %w", err), w.inotify.Close())
	}
	return w, nil
}

// run calls changed after each batch of changes until close is called.
func (w *fileWatch) run(changed func()) {
	buf := make([]byte, 4096)
	for {
		n, err := w.inotify.Read(buf)
		if err != nil {
			return
		}
		if w.relevant(buf[:n]) {
			changed()
		}
	}
}

func (w *fileWatch) close() error { return w.inotify.Close() }

// relevant reports whether one of the inotify events concerns us.
func (w *fileWatch) relevant(events []byte) bool {
	for len(events) >= unix.SizeofInotifyEvent {
		e := (*unix.InotifyEvent)(unsafe.Pointer(&events[0]))
		end := min(unix.SizeofInotifyEvent+int(e.Len), len(events))
		name := unix.ByteSliceToString(events[unix.SizeofInotifyEvent:end])
		events = events[end:]
		if int(e.Wd) != w.dir || e.Mask&unix.IN_Q_OVERFLOW != 0 {
			return true
		}
		if name == "postmaster.pid" || name == "promote" {
			return true
		}
	}
	return false
}
