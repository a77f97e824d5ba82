package console

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// Secret asks for a text that is not shown while it is typed.
func (c *Console) Secret(ctx context.Context, question string) (string, error) {
	c.Print(question + ": ")
	if f, ok := c.file.(*os.File); ok {
		if before, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err == nil {
			silent := *before
			silent.Lflag &^= unix.ECHO
			if unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, &silent) == nil {
				defer func() {
					_ = unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, before)
					c.Println("")
				}()
			}
		}
	}
	return c.line(ctx)
}
