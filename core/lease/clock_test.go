package lease

import (
	"testing"
	"time"
)

func TestNowGoesOnLikeTheBootTimeClock(t *testing.T) {
	boot, now := read(clockBoottime), Now()
	last := now
	for range 1000 {
		next := Now()
		if next < last.Add(-readWithin) {
			t.Fatalf("went back by %v", last.Sub(next))
		}
		last = next
	}
	ran, want := last.Sub(now), read(clockBoottime).Sub(boot)
	if ran > want+readWithin*2 || ran < want*8/10-readWithin*2 {
		t.Errorf("went on by %v, the boot-time clock by %v", ran, want)
	}
}

func TestBoottime(t *testing.T) {
	before := time.Duration(read(clockBoottime))
	got := Now().Add(time.Minute).Boottime()
	after := time.Duration(read(clockBoottime))
	if got < before+time.Minute-2*readWithin || got > after+time.Minute+2*readWithin {
		t.Errorf("got %v, want a minute after %v to %v", got, before, after)
	}
}
