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

func TestTheFenceIsToldSoonerShortlyBeforeItKills(t *testing.T) {
	a := testAgent(&leasedStore{}, nil)
	now := lease.Instant(time.Hour)
	a.o.Clock = func() lease.Instant { return now }
	for name, tc := range map[string]struct {
		armed cluster.Epoch
		left  time.Duration
		want  time.Duration
	}{
		"not armed":     {0, 0, feedEvery},
		"far away":      {7, 5 * time.Second, feedEvery},
		"one more look": {7, 2 * feedEvery, feedEvery},
		"soon":          {7, 2*feedEvery - 1, feedLate},
		"past":          {7, -time.Second, feedLate},
	} {
		a.feeder.armed, a.feeder.told = tc.armed, now.Add(tc.left)
		if got := a.feeder.pause(); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
