package fence

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// killedWithin is how long a killed fence is waited for. One that the kernel
// holds up beyond that never runs its own code again.
const killedWithin = time.Second

// peer is a fence process, held by a pidfd; -1: none.
type peer struct{ fd int }

// peerOf is the process that listens at the other end of a connection. It is
// certain only if that end is found open afterwards: its number might have
// been given to another process.
func peerOf(conn int) peer {
	creds, err := unix.GetsockoptUcred(conn, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil || int(creds.Pid) == os.Getpid() {
		return peer{-1}
	}
	fd, err := unix.PidfdOpen(int(creds.Pid), 0)
	if err != nil {
		return peer{-1}
	}
	return peer{fd}
}

func (p peer) forget() {
	if p.fd >= 0 {
		_ = unix.Close(p.fd)
	}
}

// kill ends the process.
func (p peer) kill() error {
	if p.fd < 0 {
		return errors.New("the fence that does not answer cannot be found")
	}
	if err := unix.PidfdSendSignal(p.fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill the fence that does not answer: %w", err)
	}
	fds := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
	_, err := unix.Poll(fds, int(killedWithin/time.Millisecond))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for the end of the fence: %w", err)
	}
	return nil
}
