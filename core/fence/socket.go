package fence

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// socketName is the fence's socket in the state directory.
const socketName = "fence.sock"

// backlog is the number of connections that a fence which does not answer may
// have waiting.
const backlog = 16

// address is the socket's path through an open directory: the path of a unix
// socket may have 108 bytes only, a state directory more.
func address(dir *os.File) *unix.SockaddrUnix {
	return &unix.SockaddrUnix{Name: filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), socketName)}
}

// listen makes the socket. There must be no other fence for that directory;
// what a dead one left is removed.
func listen(stateDir string) (fd int, err error) {
	dir, err := os.Open(stateDir)
	if err != nil {
		return -1, fmt.Errorf("open state directory: %w", err)
	}
	defer func() { _ = dir.Close() }()
	if err := os.Remove(filepath.Join(stateDir, socketName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return -1, fmt.Errorf("remove old socket: %w", err)
	}
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("make socket: %w", err)
	}
	old := unix.Umask(0o077) // only this user may speak to the fence
	err = unix.Bind(fd, address(dir))
	unix.Umask(old)
	if err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("listen on socket: %w", err)
	}
	return fd, nil
}

// dial connects to the fence of that directory. Its waits, this one too, end
// with unix.EAGAIN after limit.
func dial(stateDir string, limit time.Duration) (fd int, err error) {
	dir, err := os.Open(stateDir)
	if err != nil {
		return -1, fmt.Errorf("open state directory: %w", err)
	}
	defer func() { _ = dir.Close() }()
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("make socket: %w", err)
	}
	wait := unix.NsecToTimeval(limit.Nanoseconds())
	err = errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait))
	if err == nil {
		err = unix.Connect(fd, address(dir))
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("connect to the fence: %w", err)
	}
	return fd, nil
}
