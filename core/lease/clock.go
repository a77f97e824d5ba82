package lease

import (
	"syscall"
	"time"
	"unsafe"
)

// Instant is a point on this host's boot-time clock (CLOCK_BOOTTIME), which
// goes on during suspend and is never set. Zero means never.
type Instant time.Duration

// Add returns the instant d later.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Sub returns the time from u to i.
func (i Instant) Sub(u Instant) time.Duration { return time.Duration(i - u) }

// Before reports whether i is earlier than u.
func (i Instant) Before(u Instant) bool { return i < u }

const clockBoottime = 7 // CLOCK_BOOTTIME of linux/time.h

// Now reads the boot-time clock.
func Now() Instant {
	var ts syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		// Kernels before 2.6.39 lack the clock; they cannot run PostgreSQL 13.
		panic("read CLOCK_BOOTTIME: " + errno.Error())
	}
	return Instant(ts.Nano())
}
