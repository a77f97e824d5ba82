package agent

import (
	"context"
	"errors"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

// failingRewind is a server that cannot be rewound.
type failingRewind struct {
	Postgres
	err error
}

func (p failingRewind) Rewind(context.Context, cluster.Upstream) error { return p.err }

// TestAFullDiskSaysNothingAboutTheData: rewinds that fail on it do not make the
// data be removed.
func TestAFullDiskSaysNothingAboutTheData(t *testing.T) {
	for name, c := range map[string]struct {
		disk string
		err  error
		want int // tries that count, of two
	}{
		"the network's fault":  {"", errors.New("connection refused"), 2},
		"impossible":           {"", cluster.ErrCannotRewind, rewindTries},
		"a full disk":          {"no room is left", errors.New("no space left on device"), 0},
		"it works all at once": {"no room is left", nil, 0},
	} {
		a := testAgent(&leasedStore{}, nil)
		a.o.Postgres = failingRewind{err: c.err}
		a.s.instance.DiskProblem = c.disk
		for range 2 {
			a.rewind(t.Context(), cluster.Upstream{})
			a.finish(<-a.s.jobDone)
		}
		if got := a.s.rewindTries; got != c.want {
			t.Errorf("%s: %d tries count, want %d", name, got, c.want)
		}
	}
}
