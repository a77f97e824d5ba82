package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// pseudoTerminal is a terminal of so many columns and of 30 lines; what was
// written on it comes when it is closed.
func pseudoTerminal(t *testing.T, columns int) (terminal *os.File, screen <-chan string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this host has no pseudo-terminals: %v", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: 30})
	}
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	out := make(chan string, 1)
	go func() {
		defer func() { _ = master.Close() }()
		var text bytes.Buffer
		_, err := io.Copy(&text, master)
		if err != nil && !errors.Is(err, syscall.EIO) { // its other end is closed
			text.WriteString(err.Error())
		}
		out <- text.String()
	}()
	return terminal, out
}
