package console

import (
	"os"

	"golang.org/x/sys/unix"
)

// Size is the size of the terminal that w is; ok is false if it is none.
func Size(w any) (columns, lines int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile {
		return 0, 0, false
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0, false
	}
	return max(int(size.Col), 20), max(int(size.Row), 5), true
}

// Interactive reports that the input is a terminal too.
func (c *Console) Interactive() bool {
	_, _, ok := Size(c.file)
	return ok
}

// Raw lets single keys through, unseen, until restore is called. It does
// nothing where the input is no terminal.
func (c *Console) Raw() (restore func()) {
	f, ok := c.file.(*os.File)
	if !ok {
		return func() {}
	}
	before, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return func() {}
	}
	raw := *before
	raw.Lflag &^= unix.ICANON | unix.ECHO
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, &raw) != nil {
		return func() {}
	}
	return func() { _ = unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, before) }
}

// Keys delivers single keys until the input ends.
func (c *Console) Keys() <-chan byte {
	keys := make(chan byte)
	go func() {
		defer close(keys)
		for {
			b, err := c.in.ReadByte()
			if err != nil {
				return
			}
			keys <- b
		}
	}()
	return keys
}
