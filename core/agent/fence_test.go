package agent

import (
	"context"
	"errors"
	"testing"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// scriptedFence refuses the session that it has killed for.
type scriptedFence struct {
	spent int64
	gone  bool
	armed cluster.Epoch
}

func (f *scriptedFence) Connect(context.Context) (cluster.Epoch, lease.Instant, error) {
	return 0, 0, nil
}
func (f *scriptedFence) Ready() bool  { return !f.gone }
func (f *scriptedFence) Spent() int64 { return f.spent }
func (f *scriptedFence) Arm(epoch cluster.Epoch, session int64, _ lease.Instant) error {
	if f.gone || session == f.spent {
		return errors.New("no")
	}
	f.armed = epoch
	return nil
}
func (f *scriptedFence) Renew(cluster.Epoch, lease.Instant) error { return nil }
func (f *scriptedFence) Disarm(cluster.Epoch) error               { return nil }
func (f *scriptedFence) Quit() error                              { return nil }

// sessionStore notes what becomes of its session.
type sessionStore struct {
	leasedStore
	session   int64
	abandoned bool
	dropped   int64
}

func (s *sessionStore) SessionID() int64          { return s.session }
func (s *sessionStore) Abandon()                  { s.abandoned = true }
func (s *sessionStore) DropSession(session int64) { s.dropped = session }

func TestWhatMayBecomePrimary(t *testing.T) {
	for name, c := range map[string]struct {
		fence    scriptedFence
		required bool
		want     bool
	}{
		"armed":                               {scriptedFence{}, true, true},
		"another session was killed for":      {scriptedFence{spent: 4}, true, true},
		"no fence":                            {scriptedFence{gone: true}, true, false},
		"no fence, none is required":          {scriptedFence{gone: true}, false, true},
		"this session was killed for":         {scriptedFence{spent: 5}, true, false},
		"killed for, though none is required": {scriptedFence{spent: 5}, false, false},
		"killed for by one that is gone":      {scriptedFence{spent: 5, gone: true}, false, false},
	} {
		store := &leasedStore{}
		a := testAgent(store, nil)
		a.o.Fence, a.o.FenceRequired = &c.fence, c.required
		l := silentLease()
		l.Session, l.Sent = 5, lease.Now()
		store.set(l)
		if err := a.armFence(); (err == nil) != c.want {
			t.Errorf("%s: got %v, want it allowed: %v", name, err, c.want)
		}
	}
}

// A fence that does not take the deadline is as good as none, until it does or
// there is nothing to be stopped.
func TestAFenceThatRefusesIsMissing(t *testing.T) {
	store, fence := &leasedStore{}, &scriptedFence{spent: 5}
	a := testAgent(store, nil)
	a.o.Fence = fence
	a.feeder.lostSince.Store(0)
	a.observed.Store(true)
	a.writable.Store(true)
	l := silentLease()
	l.Session, l.Sent = 5, lease.Now()
	store.set(l)
	a.feeder.feed()
	first := a.feeder.missing()
	if a.feeder.feed(); first == 0 || a.feeder.missing() != first {
		t.Errorf("refused: got %v, then %v", first, a.feeder.missing())
	}
	fence.spent = 0
	if a.feeder.feed(); a.feeder.missing() != 0 {
		t.Error("it has taken the deadline and is still missing")
	}
	fence.spent, a.feeder.armed = 5, 0
	a.feeder.feed()
	a.paused.Store(true)
	if a.feeder.feed(); a.feeder.missing() != 0 {
		t.Error("in pause there is nothing to be stopped")
	}
}

func TestASpentSessionIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		spent              int64
		writable, paused   bool
		abandoned, dropped bool
	}{
		"nothing was killed":       {0, true, false, false, false},
		"an earlier session":       {4, true, false, false, false},
		"this one":                 {5, false, false, false, true},
		"PostgreSQL may still run": {5, true, false, true, false},
		"in pause too":             {5, false, true, false, true},
		"in pause nothing stops":   {5, true, true, false, false},
	} {
		store := &sessionStore{session: 5}
		a := testAgent(store, nil)
		a.o.Fence = &scriptedFence{spent: c.spent}
		a.writable.Store(c.writable)
		a.paused.Store(c.paused)
		a.feeder.leaveSpent()
		if store.abandoned != c.abandoned || (store.dropped == 5) != c.dropped {
			t.Errorf("%s: abandoned %v, dropped session %d; want %v, %v", name, store.abandoned, store.dropped, c.abandoned, c.dropped)
		}
	}
}
