package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// postmaster holds one running postmaster. Its two goroutines end when the
// process exits or release is called.
type postmaster struct {
	proc  process
	pidfd *os.File
	watch *fileWatch
	// reaped receives how it ended, from who started it; nil if that was not
	// this process.
	reaped chan string
	// exited is closed when the process has exited, released when this
	// handle is given up.
	exited   chan struct{}
	released chan struct{}
	once     sync.Once

	mu sync.Mutex
	// changed is closed, and replaced, at each change of the watched files.
	changed chan struct{}
}

// openPostmaster takes hold of the process p, which is checked to be still
// the same one afterwards.
func openPostmaster(p process, dataDir string) (*postmaster, error) {
	fd, err := unix.PidfdOpen(p.pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.EINVAL) { // before Linux 5.10
		if fd, err = unix.PidfdOpen(p.pid, 0); err == nil {
			err = unix.SetNonblock(fd, true)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open postmaster %d: %w", p.pid, err)
	}
	pm := &postmaster{
		proc: p, pidfd: os.NewFile(uintptr(fd), "pidfd"),
		exited: make(chan struct{}), released: make(chan struct{}), changed: make(chan struct{}),
	}
	if now, err := readProcess(p.pid); err == nil && now.ticks != p.ticks {
		return nil, errors.Join(fmt.Errorf("open postmaster %d: it is another process now", p.pid), pm.pidfd.Close())
	}
	if pm.watch, err = watchFiles(dataDir); err != nil {
		return nil, errors.Join(err, pm.pidfd.Close())
	}
	return pm, nil
}

// run starts the goroutines and counts them in wg. onChange is called after
// each change of a watched file, onExit once when the process has exited.
func (pm *postmaster) run(wg *sync.WaitGroup, onChange, onExit func()) {
	wg.Go(func() {
		pm.watch.run(func() {
			pm.mu.Lock()
			close(pm.changed)
			pm.changed = make(chan struct{})
			pm.mu.Unlock()
			onChange()
		})
	})
	wg.Go(func() {
		if !pm.waitExit() {
			return
		}
		close(pm.exited)
		pm.release()
		onExit()
	})
}

// waitExit blocks until the pidfd is readable, which it is from the exit on;
// false if the handle was released before.
func (pm *postmaster) waitExit() bool {
	conn, err := pm.pidfd.SyscallConn()
	if err != nil {
		return false
	}
	gone := false
	err = conn.Read(func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, 0)
		gone = err == nil && n > 0
		return gone
	})
	return err == nil && gone
}

// release gives the handle up and leaves the process alone.
func (pm *postmaster) release() {
	pm.once.Do(func() {
		close(pm.released)
		// Closing only ends the two goroutines; there is nothing to lose.
		_ = pm.watch.close()
		_ = pm.pidfd.Close()
	})
}

// alive reports whether the process has not exited. A process that exited
// this instant may count as alive.
func (pm *postmaster) alive() bool {
	select {
	case <-pm.exited:
		return false
	default:
	}
	p, err := readProcess(pm.proc.pid)
	return err == nil && p.ticks == pm.proc.ticks && !p.dead()
}

// signal sends sig to exactly this process; a process that is gone is no
// error.
func (pm *postmaster) signal(sig unix.Signal) error {
	conn, err := pm.pidfd.SyscallConn()
	if err != nil {
		return nil // closed: it has exited
	}
	var sent error
	err = conn.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) })
	if err != nil || errors.Is(sent, unix.ESRCH) {
		return nil
	}
	if sent != nil {
		return fmt.Errorf("signal postmaster %d: %w", pm.proc.pid, sent)
	}
	return nil
}

// changes is closed at the next change of a watched file. Take it before
// looking at the files.
func (pm *postmaster) changes() <-chan struct{} {
	pm.mu.Lock()
	defer pm.mu.Unlock()
	return pm.changed
}

// errExited means that the postmaster exited during a wait.
var errExited = errors.New("the postmaster exited")

// waitFor returns nil as soon as done is true. It looks after each change of
// a watched file and, if every is not zero, that often besides.
func (pm *postmaster) waitFor(ctx context.Context, every time.Duration, done func() bool) error {
	var tick <-chan time.Time
	if every > 0 {
		t := time.NewTicker(every)
		defer t.Stop()
		tick = t.C
	}
	for {
		changed := pm.changes()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-tick:
		case <-pm.exited:
			return errExited
		case <-pm.released:
			return errExited
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
