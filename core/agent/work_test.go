package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

func TestInsistRepeatsWhatWasNotAnswered(t *testing.T) {
	refused := errors.New("refused")
	for name, tc := range map[string]struct {
		answers []error
		want    error
	}{
		"at once":          {[]error{nil}, nil},
		"after two silent": {[]error{cluster.ErrOutcomeUnknown, cluster.ErrUnreachable, nil}, nil},
		"refused":          {[]error{cluster.ErrOutcomeUnknown, refused}, refused},
		"for ever silent":  {nil, cluster.ErrUnreachable},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			calls := 0
			err := insist(ctx, func() error {
				if calls++; calls > len(tc.answers) {
					return cluster.ErrUnreachable
				}
				return tc.answers[calls-1]
			})
			if !errors.Is(err, tc.want) || (tc.want == nil) != (err == nil) {
				t.Errorf("%s: got %v, want %v", name, err, tc.want)
			}
			if tc.answers != nil && calls != len(tc.answers) {
				t.Errorf("%s: %d calls, want %d", name, calls, len(tc.answers))
			}
		})
	}
}

func TestWhatMayAcceptWritesWakesTheFeeder(t *testing.T) {
	a := testAgent(&leasedStore{}, nil)
	for _, c := range []struct {
		may  bool
		want int
	}{{false, 0}, {true, 1}, {true, 0}, {false, 0}, {true, 1}} {
		if a.setWritable(c.may); len(a.feeder.wanted) != c.want {
			t.Errorf("writable %v: woken %d times, want %d", c.may, len(a.feeder.wanted), c.want)
		}
		for len(a.feeder.wanted) > 0 {
			<-a.feeder.wanted
		}
	}
}

func TestTheFenceIsToldSoonerShortlyBeforeItKills(t *testing.T) {
	a := testAgent(&leasedStore{}, nil)
	now := lease.Instant(time.Hour)
	a.o.Clock = func() lease.Instant { return now }
	for name, tc := range map[string]struct {
		armed    cluster.Epoch
		left     time.Duration
		writable bool
		lost     lease.Instant
		want     time.Duration
	}{
		"nothing to tell": {0, 0, false, 0, feedIdle},
		"to be armed":     {0, 0, true, 0, feedEvery},
		"gone":            {0, 0, false, now, feedEvery},
		"far away":        {7, 5 * time.Second, true, 0, feedEvery},
		"to be disarmed":  {7, 5 * time.Second, false, 0, feedEvery},
		"one more look":   {7, 2 * feedEvery, true, 0, feedEvery},
		"soon":            {7, 2*feedEvery - 1, true, 0, feedLate},
		"past":            {7, -time.Second, true, 0, feedLate},
	} {
		a.feeder.armed, a.feeder.told = tc.armed, now.Add(tc.left)
		a.feeder.lostSince.Store(int64(tc.lost))
		a.writable.Store(tc.writable)
		if got := a.feeder.pause(); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
