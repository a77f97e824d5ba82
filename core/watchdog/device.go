package watchdog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// device is an open watchdog.
type device interface {
	io.WriteCloser
	// setTimeout returns the timeout that the device took.
	setTimeout(seconds int) (int, error)
	// canStop reports that the device stops when it is closed after a "V".
	canStop() bool
}

// The requests and flags of linux/watchdog.h.
const (
	getSupport = 0x80285700 // _IOR('W', 0, struct watchdog_info)
	setTimeout = 0xc0045706 // _IOWR('W', 6, int)

	canSetTimeout = 0x0080
	canMagicClose = 0x0100
)

// info is struct watchdog_info.
type info struct {
	Options  uint32
	Firmware uint32
	Identity [32]byte
}

// linux is a device of the kernel.
type linux struct {
	*os.File
	info info
}

func openLinux(path string) (device, error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	d := &linux{File: f}
	if err := d.ioctl(getSupport, unsafe.Pointer(&d.info)); err != nil {
		return nil, errors.Join(fmt.Errorf("ask %s what it supports: %w", path, err), stop(d))
	}
	return d, nil
}

func (d *linux) ioctl(request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, d.Fd(), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

func (d *linux) setTimeout(seconds int) (int, error) {
	if d.info.Options&canSetTimeout == 0 {
		return 0, errors.New("the device cannot set a timeout")
	}
	granted := int32(seconds)
	if err := d.ioctl(setTimeout, unsafe.Pointer(&granted)); err != nil {
		return 0, err
	}
	return int(granted), nil
}

func (d *linux) canStop() bool { return d.info.Options&canMagicClose != 0 }

// fifo is the stand-in for tests. Nobody at its other end is an error.
type fifo struct{ *os.File }

func openFIFO(path string) (device, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return fifo{f}, nil
}

func (d fifo) setTimeout(seconds int) (int, error) {
	_, err := fmt.Fprintf(d, "Ctimeout=%d\n", seconds)
	return seconds, err
}

func (fifo) canStop() bool { return true }

// stop ends the device without a reset, where it can do that.
func stop(d device) error {
	_, err := io.WriteString(d, "V")
	return errors.Join(err, d.Close())
}

// writable reports why path could not be opened, without opening it: that
// would start the device.
func writable(path string) error {
	const writeOK = 2 // W_OK of unistd.h
	if err := syscall.Access(path, writeOK); err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	return nil
}

func seconds(d time.Duration) int { return int(d / time.Second) }
