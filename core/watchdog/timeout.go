package watchdog

import (
	"fmt"
	"time"
)

// Timing is what the timeout follows from.
type Timing struct {
	TTL      time.Duration
	LoopWait time.Duration
	// Lease is from a proof to the hard deadline; 0 if unknown.
	Lease time.Duration
}

// HalfTTL as a safety margin stands for a timeout of half the ttl.
const HalfTTL = -time.Second

// Timeout is the device's timeout, in whole seconds: the ttl less the margin,
// and not longer than the lease. It is an error if that is shorter than
// loop_wait: the host would reset for nothing.
func Timeout(t Timing, margin time.Duration) (time.Duration, error) {
	timeout := t.TTL - margin
	if margin < 0 {
		timeout = t.TTL / 2
	}
	if t.Lease > 0 {
		timeout = min(timeout, t.Lease)
	}
	timeout = timeout.Truncate(time.Second)
	if timeout < t.LoopWait || timeout < time.Second {
		return 0, fmt.Errorf("a timeout of %v, from ttl %v and safety_margin %v, is shorter than loop_wait %v", timeout, t.TTL, margin, t.LoopWait)
	}
	return timeout, nil
}
