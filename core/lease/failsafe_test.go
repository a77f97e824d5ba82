package lease

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFailsafeDeadlines(t *testing.T) {
	const asked = Instant(time.Hour)
	for name, c := range map[string]struct {
		ttl        time.Duration
		promises   []Promise
		hard, soft time.Duration // after asked
	}{
		"a cluster of one": {10 * time.Second, nil, 9500 * time.Millisecond, 9500*time.Millisecond - 10*time.Second/6},
		"equal promises":   {5 * time.Second, []Promise{{asked, 5 * time.Second}, {asked, 5 * time.Second}}, 4600 * time.Millisecond, 3600 * time.Millisecond},
		"the shortest counts": {
			30 * time.Second,
			[]Promise{{asked, 30 * time.Second}, {asked, 20 * time.Second}},
			19300 * time.Millisecond, 14300 * time.Millisecond,
		},
		"one that was asked earlier": {
			30 * time.Second,
			[]Promise{{asked - Instant(time.Second), 30 * time.Second}},
			28100 * time.Millisecond, 23100 * time.Millisecond,
		},
		"a promise of nothing": {30 * time.Second, []Promise{{asked, 0}}, -300 * time.Millisecond, -5300 * time.Millisecond},
	} {
		f := NewFailsafe(1, asked, c.ttl, c.promises)
		if hard, soft := f.Hard().Sub(asked), f.Soft().Sub(asked); (hard-c.hard).Abs() > time.Microsecond || (soft-c.soft).Abs() > time.Microsecond {
			t.Errorf("%s: deadlines after %v and %v, want %v and %v", name, soft, hard, c.soft, c.hard)
		}
	}
}

func TestFailsafeCarriesItsOwnLeaseOnly(t *testing.T) {
	l := at(30*time.Second, 2*time.Second)
	f := NewFailsafe(l.Epoch, l.Sent.Add(20*time.Second), 30*time.Second, nil)
	other := f
	other.Epoch++
	switch now := l.Hard(); {
	case !f.Carries(l, now):
		t.Error("it does not carry its lease on")
	case f.Carries(l, f.Soft()):
		t.Error("it still counts at its soft deadline")
	case other.Carries(l, now), Latest(l, other) != l.Hard():
		t.Error("it carries a lease of another epoch on")
	case f.Carries(Lease{}, now), (Failsafe{}).Carries(l, now), (Failsafe{}).Hard() != 0, Latest(Lease{}, f) != 0:
		t.Error("something counts that is nothing")
	case Latest(l, f) != f.Hard(), Latest(l, Failsafe{}) != l.Hard():
		t.Error("the latest deadline is not the later of both")
	}
}

// Whatever the peers promise and whenever they were asked, nothing is alive
// any more when the first of them may race, also when its clock is fast by
// the allowed rate.
func TestFailsafeEndsBeforeTheFirstPromise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := func(name string, lo, hi int) time.Duration {
			return time.Duration(rapid.IntRange(lo, hi).Draw(t, name)) * time.Millisecond
		}
		asked := Instant(time.Hour)
		promises := make([]Promise, rapid.IntRange(0, 5).Draw(t, "peers"))
		for i := range promises {
			promises[i] = Promise{Sent: asked.Add(ms("sent", 0, 2000)), For: ms("promise", 0, 60_000)}
		}
		f := NewFailsafe(3, asked, ms("ttl", 5000, 60_000), promises)
		for _, p := range promises {
			received := p.Sent.Add(ms("on the way", 0, 1000))
			free := received.Add(time.Duration(float64(p.For) * (1 - clockRate)))
			if dead := f.Hard().Add(killTime); free.Before(dead) {
				t.Fatalf("dead at %v, a peer is free at %v", dead, free)
			}
		}
		if f.Hard().Before(f.Soft()) {
			t.Fatal("the soft deadline is after the hard one")
		}
	})
}
