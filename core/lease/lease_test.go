package lease

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(timeout, tick time.Duration) Lease {
	return Lease{Epoch: 1, Sent: Instant(time.Hour), Params: Params{Timeout: timeout, Tick: tick, Interval: Interval(timeout, tick)}}
}

func TestDeadlines(t *testing.T) {
	sec := func(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }
	for _, c := range []struct {
		timeout, tick, hard, soft time.Duration
	}{
		{30 * time.Second, 2 * time.Second, sec(26.944), sec(21.944)},
		{10 * time.Second, 2 * time.Second, sec(7.344), sec(5.677333333)},
		{6 * time.Second, time.Second, sec(4.404), sec(3.404)},
		{5 * time.Second, 2 * time.Second, sec(2.934), sec(1.934)},
	} {
		l := at(c.timeout, c.tick)
		if got := l.Hard().Sub(l.Sent); (got - c.hard).Abs() > time.Microsecond {
			t.Errorf("T %v, tick %v: hard deadline after %v, want %v", c.timeout, c.tick, got, c.hard)
		}
		if got := l.Soft().Sub(l.Sent); (got - c.soft).Abs() > time.Microsecond {
			t.Errorf("T %v, tick %v: soft deadline after %v, want %v", c.timeout, c.tick, got, c.soft)
		}
	}
}

func TestZeroLeaseIsNeverValid(t *testing.T) {
	var l Lease
	if l.Held() || l.Valid(0) || l.Valid(Now()) || l.Hard() != 0 || l.Remaining(Now()) != 0 {
		t.Error("the zero lease must give no right")
	}
}

// The inequality of the package comment: whatever the parameters, the hard
// deadline plus the killing time lies before the earliest expiry, also when
// this host's clock runs slow by the allowed rate.
func TestHardDeadlineLiesBeforeTheEarliestExpiry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := func(name string, lo, hi int) time.Duration {
			return time.Duration(rapid.IntRange(lo, hi).Draw(t, name)) * time.Millisecond
		}
		l := at(ms("timeout", 4000, 60000), ms("tick", 100, 3000))
		l.Gap = ms("gap", 0, 5000)
		earliest := l.Timeout - l.Tick/2 - l.Interval - max(l.Gap, leastGap)
		if earliest <= 0 {
			return // such a timeout is refused at the start
		}
		killed := time.Duration(float64(l.Hard().Sub(l.Sent)+killTime) * (1 + clockRate))
		if killed > earliest {
			t.Fatalf("killed %v after the proof, the session may end after %v", killed, earliest)
		}
		if l.Soft() > l.Hard() && l.Hard() > l.Sent {
			t.Fatalf("soft deadline %v after the hard one %v", l.Soft(), l.Hard())
		}
	})
}

func TestNowAdvances(t *testing.T) {
	a := Now()
	if b := Now(); b < a || a == 0 {
		t.Errorf("clock went from %v to %v", a, b)
	}
}

func TestTiming(t *testing.T) {
	for _, c := range []struct {
		timeout, tick time.Duration
		outage        time.Duration // rounded down to 0.1 s
		tooShort      bool
	}{
		{30 * time.Second, 2 * time.Second, 20900 * time.Millisecond, false},
		{5 * time.Second, 2 * time.Second, 1400 * time.Millisecond, false},
		{4 * time.Second, 2 * time.Second, 600 * time.Millisecond, false},
		{3 * time.Second, 2 * time.Second, 0, true},
	} {
		p := Params{Timeout: c.timeout, Tick: c.tick, Interval: Interval(c.timeout, c.tick)}
		got := TimingOf(p)
		if got.Outage.Truncate(100*time.Millisecond) != c.outage || got.TooShort != c.tooShort {
			t.Errorf("T %v: outage %v, too short %v; want %v, %v", c.timeout, got.Outage, got.TooShort, c.outage, c.tooShort)
		}
		if got.Failover != c.timeout+c.tick+promoteTime {
			t.Errorf("T %v: failover after %v", c.timeout, got.Failover)
		}
	}
}

func TestPeersAreAskedNeitherTooEarlyNorTooLate(t *testing.T) {
	for _, c := range []struct{ timeout, want time.Duration }{
		{30 * time.Second, 7314 * time.Millisecond}, // a third
		{5 * time.Second, 967 * time.Millisecond},   // half: renewals come every 0.5 s
	} {
		l := at(c.timeout, 2*time.Second)
		if got := l.AskAfter(); (got - c.want).Abs() > time.Millisecond {
			t.Errorf("T %v: asked after %v, want %v", c.timeout, got, c.want)
		}
	}
}
