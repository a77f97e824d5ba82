package contract

import (
	"errors"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
)

// rewinds has a primary write on after its standby was promoted.
func rewinds(t testing.TB, open func(string) Server) {
	a := bootstrapped(t, open, "a")
	b := standbyOf(t, open, a, "b")
	verdict(t, b, a, cluster.DivergenceNone)
	verdict(t, a, b, cluster.DivergenceUnknown) // not a primary
	write(t, a, 1)
	caughtUp(t, b, a)
	must(t, "promote", b.Promote(bound(t)))
	write(t, a, 2)
	write(t, b, 3)
	must(t, "checkpoint", b.Checkpoint(bound(t)))
	verdict(t, a, b, cluster.DivergenceFound) // while it runs
	kill(t, a)
	verdict(t, a, b, cluster.DivergenceFound)

	stop(t, b)
	verdict(t, a, b, cluster.DivergenceUnknown) // it does not answer
	if a.Rewind(bound(t), b.Upstream()) == nil {
		t.Error("it was rewound without its upstream")
	}
	if in := observe(t, a); in.DataEmpty || in.DataProblem != "" || in.Running || in.Timeline != 1 {
		t.Errorf("after a rewind that could not begin: %+v", in)
	}
	must(t, "start", b.Start(bound(t), cluster.StartOptions{}))
	verdict(t, a, b, cluster.DivergenceFound)

	must(t, "rewind", a.Rewind(bound(t), b.Upstream()))
	if in := observe(t, a); in.DataEmpty || in.Running || in.State != cluster.StateStopped {
		t.Errorf("rewound: %+v", in)
	}
	startStandby(t, a, b)
	verdict(t, a, b, cluster.DivergenceNone)
	has(t, a, 1)
	has(t, a, 3)
	if there, err := a.Has(bound(t), 2); there || err != nil {
		t.Errorf("it has what the primary never had: %v, %v", there, err)
	}
	if in := observe(t, a); in.Timeline != 2 {
		t.Errorf("rewound and started: %+v", in)
	}
	write(t, b, 4)
	has(t, a, 4)
}

// agrees has a primary die after its standby has received everything.
func agrees(t testing.TB, open func(string) Server) {
	a := bootstrapped(t, open, "a")
	b, c := standbyOf(t, open, a, "b"), standbyOf(t, open, a, "c")
	write(t, a, 1)
	has(t, c, 1)
	must(t, "follow nobody", c.Follow(bound(t), nil)) // so that it has no more than b
	eventually(t, "it streams no more", func() bool { return observe(t, c).ReplicationState == "" })
	write(t, a, 2)
	has(t, b, 2)
	kill(t, a)
	must(t, "promote", b.Promote(bound(t)))
	must(t, "checkpoint", b.Checkpoint(bound(t)))
	verdict(t, c, b, cluster.DivergenceNone) // a standby that runs
	stop(t, c)
	verdict(t, c, b, cluster.DivergenceNone) // and is down
	startStandby(t, c, b)
	// It cannot know whether it wrote more than it has sent.
	verdict(t, a, b, cluster.DivergenceFound)
	must(t, "rewind", a.Rewind(bound(t), b.Upstream()))
	startStandby(t, a, b)
	verdict(t, a, b, cluster.DivergenceNone)
	has(t, a, 2)
	has(t, c, 2)
	// A primary that crashed and is a primary still has not gone apart.
	kill(t, b)
	must(t, "start", b.Start(bound(t), cluster.StartOptions{}))
	verdict(t, a, b, cluster.DivergenceNone)
}

func apart(t testing.TB, open func(string) Server) {
	a := bootstrapped(t, open, "a")
	b, c := standbyOf(t, open, a, "b"), standbyOf(t, open, a, "c")
	write(t, a, 1)
	has(t, b, 1)
	has(t, c, 1)
	kill(t, a)
	must(t, "promote one", b.Promote(bound(t)))
	must(t, "promote another", c.Promote(bound(t)))
	write(t, b, 2)
	write(t, c, 3)
	if one, other := observe(t, b).Timeline, observe(t, c).Timeline; one != 2 || other != 2 {
		t.Errorf("the timelines are %d and %d, want 2", one, other)
	}
	stop(t, b)
	stop(t, c)
	must(t, "start, after the checkpoint of a stop", c.Start(bound(t), cluster.StartOptions{}))
	verdict(t, b, c, cluster.DivergenceFound)
	if err := b.Rewind(bound(t), c.Upstream()); !errors.Is(err, cluster.ErrCannotRewind) {
		t.Errorf("rewind: got %v, want %v", err, cluster.ErrCannotRewind)
	}
	if in := observe(t, b); in.DataEmpty || in.DataProblem != "" {
		t.Errorf("after a rewind that was refused: %+v", in)
	}
	must(t, "remove the data", b.RemoveData())
	if in := observe(t, b); !in.DataEmpty || in.SystemID != "" || in.Timeline != 0 {
		t.Errorf("removed data: %+v", in)
	}
	allow(t, c, b)
	must(t, "clone", b.Clone(bound(t), c.Upstream()))
	verdict(t, b, c, cluster.DivergenceNone)
	startStandby(t, b, c)
	verdict(t, b, c, cluster.DivergenceNone)
	has(t, b, 3)
}
