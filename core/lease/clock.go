package lease

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"
)

// Instant is a point on this host's own clock since it was booted, which goes
// on during suspend, is never set, and is not slewed: see Now. It is the same
// for all processes of the host. Zero means never.
type Instant time.Duration

// Add returns the instant d later.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Sub returns the time from u to i.
func (i Instant) Sub(u Instant) time.Duration { return time.Duration(i - u) }

// Before reports whether i is earlier than u.
func (i Instant) Before(u Instant) bool { return i < u }

// The clocks of linux/time.h.
const (
	clockMonotonic    = 1
	clockMonotonicRaw = 4
	clockBoottime     = 7
)

const (
	// readWithin is how long reading the clocks may take: they are read one
	// after the other and belong together.
	readWithin = time.Millisecond
	readTries  = 20
)

// Now reads the clock: CLOCK_MONOTONIC_RAW, and the time that the host was
// suspended for, which is what CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC. A
// time daemon slews the latter two, by up to 8 % and more, which would stretch
// a lease; it slews both alike, and the raw clock not at all. It is exact to a
// millisecond: of two readings in a row, the second can come out that much
// earlier.
func Now() Instant {
	var now Instant
	for range readTries {
		begin := read(clockMonotonic)
		now = read(clockMonotonicRaw) + read(clockBoottime) - begin
		if read(clockMonotonic)-begin < Instant(readWithin) {
			break
		}
	}
	return now
}

// Boottime is that instant, which may lie ahead, on CLOCK_BOOTTIME, for the
// kernel's timers. It is as exact as the clock is slewed until then.
func (i Instant) Boottime() time.Duration { return time.Duration(read(clockBoottime) + i - Now()) }

// read returns one clock.
func read(clock uintptr) Instant {
	var ts syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		// Kernels before 2.6.39 lack a clock; they cannot run PostgreSQL 13.
		panic(fmt.Sprintf("read clock %d: %v", clock, errno))
	}
	return Instant(ts.Nano())
}
