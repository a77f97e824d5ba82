package agent

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

// leasedStore is a store of which only the lease is used.
type leasedStore struct {
	Store
	mu sync.Mutex
	l  lease.Lease
}

func (s *leasedStore) Lease() lease.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.l
}

func (s *leasedStore) set(l lease.Lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.l = l
}

// peersSaying answer every question alike.
type peersSaying struct {
	Peers
	answer func(name string) FailsafeAnswer
	asked  []string
}

func (p *peersSaying) Failsafe(_ context.Context, members map[string]string, _ FailsafeCall) []FailsafeAnswer {
	p.asked = slices.Sorted(maps.Keys(members))
	var out []FailsafeAnswer
	for _, name := range p.asked {
		a := p.answer(name)
		a.Name = name
		out = append(out, a)
	}
	return out
}

func silentLease() lease.Lease {
	return lease.Lease{
		Epoch: 7, Sent: lease.Now().Add(-3 * time.Second),
		Params: lease.Params{Timeout: 10 * time.Second, Tick: 2 * time.Second, Interval: time.Second},
	}
}

func testAgent(store Store, peers Peers) *Agent {
	return New(Options{
		Name: "a", Store: store, Peers: peers, Logger: slog.New(slog.DiscardHandler),
		Settings: func(*cluster.Object) (cluster.Settings, []string) {
			s := cluster.DefaultSettings()
			s.FailsafeMode = true
			return s, nil
		},
	})
}

func accept(string) FailsafeAnswer { return FailsafeAnswer{Accepted: true} }

func TestAllMembersMustAgree(t *testing.T) {
	three := map[string]string{"a": "u", "b": "u", "c": "u"}
	for name, c := range map[string]struct {
		topology, written map[string]string
		answer            func(string) FailsafeAnswer
		asked             []string
		granted           bool
		ends              time.Duration // after the question, about
	}{
		"all agree":                   {three, nil, accept, []string{"b", "c"}, true, 9500 * time.Millisecond},
		"a shorter promise":           {three, nil, func(n string) FailsafeAnswer { return FailsafeAnswer{Accepted: true, For: 5 * time.Second} }, []string{"b", "c"}, true, 4600 * time.Millisecond},
		"one refuses":                 {three, nil, func(n string) FailsafeAnswer { return FailsafeAnswer{Accepted: n == "b"} }, []string{"b", "c"}, false, 0},
		"alone":                       {map[string]string{"a": "u"}, nil, nil, nil, true, 9500 * time.Millisecond},
		"no key":                      {nil, nil, accept, nil, false, 0},
		"written, and not understood": {nil, map[string]string{"a": "u"}, accept, nil, false, 0},
		"not in the key":              {map[string]string{"b": "u"}, nil, accept, nil, false, 0},
		"a new member is written":     {map[string]string{"a": "u", "b": "u"}, three, accept, []string{"b", "c"}, true, 9500 * time.Millisecond},
		"a member is removed":         {three, map[string]string{"a": "u"}, accept, []string{"b", "c"}, true, 9500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			l := silentLease()
			peers := &peersSaying{answer: c.answer}
			f := testAgent(&leasedStore{l: l}, peers).failsafe
			if c.written != nil {
				f.written.Store(&c.written)
			}
			f.ask(t.Context(), l, failsafeGround{on: true, topology: c.topology, ttl: 10 * time.Second})
			r := f.right()
			if !slices.Equal(peers.asked, c.asked) || (r.Epoch == 7) != c.granted {
				t.Fatalf("asked %v, got %+v; want %v, granted %v", peers.asked, r, c.asked, c.granted)
			}
			if left := r.Hard().Sub(f.asked); c.granted && (left-c.ends).Abs() > time.Millisecond {
				t.Errorf("ends after %v, want %v", left, c.ends)
			}
			if f.a.hard(l) != max(l.Hard(), r.Hard()) {
				t.Error("the hard deadline is not the later of both")
			}
		})
	}
}

func TestPromisesThatComeTooLateDoNotCount(t *testing.T) {
	store := &leasedStore{l: silentLease()}
	peers := &peersSaying{answer: accept}
	f := testAgent(store, peers).failsafe
	ground := failsafeGround{on: true, topology: map[string]string{"a": "u", "b": "u"}, ttl: 10 * time.Second}
	over := silentLease()
	over.Sent = lease.Now().Add(-10 * time.Second)
	f.ask(t.Context(), over, ground)
	if f.right().Epoch != 0 {
		t.Error("a lease that was over came back to life")
	}
	peers.answer = func(string) FailsafeAnswer { store.set(lease.Lease{}); return FailsafeAnswer{Accepted: true} }
	f.ask(t.Context(), silentLease(), ground)
	if f.right().Epoch != 0 {
		t.Error("promises outlive the leadership")
	}
}

func TestPromisesEndWithTheFirstRenewal(t *testing.T) {
	l := silentLease()
	f := testAgent(&leasedStore{l: l}, &peersSaying{answer: accept}).failsafe
	grant := func() {
		f.ask(t.Context(), l, failsafeGround{on: true, topology: map[string]string{"a": "u", "b": "u"}, ttl: 10 * time.Second})
		if f.expire(l); f.right().Epoch != 7 {
			t.Fatal("no right, or it ends by itself")
		}
	}
	grant()
	renewed := l
	renewed.Sent = f.asked + 1
	if f.expire(renewed); f.right().Epoch != 0 {
		t.Error("the right outlives the renewal")
	}
	grant()
	if f.expire(lease.Lease{}); f.right().Epoch != 0 {
		t.Error("the right outlives its epoch")
	}
}

func TestWhenMembersAreAsked(t *testing.T) {
	f := testAgent(&leasedStore{}, nil).failsafe
	l := silentLease()
	third := l.Sent.Add(l.AskAfter())
	for name, c := range map[string]struct {
		now, asked lease.Instant
		l          lease.Lease
		want       bool
	}{
		"the renewals are late":        {third, 0, l, true},
		"one moment before":            {third - 1, 0, l, false},
		"asked two seconds ago":        {third.Add(2 * time.Second), third, l, true},
		"asked less than that ago":     {third.Add(2*time.Second - 1), third, l, false},
		"asked before the renewal":     {third, l.Sent - 1, l, true},
		"no lease":                     {third, 0, lease.Lease{}, false},
		"after the lease, by promises": {l.Hard(), third, l, true},
	} {
		f.asked = c.asked
		if got := f.due(c.now, c.l, 10*time.Second); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestWhenItIsLookedWhetherToAsk(t *testing.T) {
	store := &leasedStore{}
	a := testAgent(store, nil)
	f, l := a.failsafe, silentLease()
	none, may, mayNot := (*failsafeGround)(nil), &failsafeGround{on: true}, &failsafeGround{}
	for name, c := range map[string]struct {
		ground *failsafeGround
		l      lease.Lease
		right  *lease.Failsafe
		want   time.Duration
	}{
		"nothing is known yet":          {none, l, nil, 0},
		"it may not ask":                {mayNot, l, nil, 0},
		"it may not any more":           {mayNot, l, &lease.Failsafe{Epoch: 7}, failsafeEvery},
		"no lease, and no view":         {may, lease.Lease{}, nil, failsafeIdle},
		"it leads":                      {may, l, nil, failsafeEvery},
		"promises carry the leadership": {may, l, &lease.Failsafe{Epoch: 7}, failsafeEvery},
	} {
		store.set(c.l)
		f.ground.Store(c.ground)
		f.held.Store(c.right)
		if got := f.pause(); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestALoopThatAllowsToAskWakesWhoAsks(t *testing.T) {
	store := &leasedStore{l: silentLease()}
	a := testAgent(store, nil)
	a.s.cluster = &cluster.Cluster{Leader: &cluster.Leader{Epoch: 7, Name: "a"}}
	for _, want := range []int{1, 0} { // once is enough
		if a.prepareFailsafe(); len(a.failsafe.allowed) != want {
			t.Errorf("woken %d times, want %d", len(a.failsafe.allowed), want)
		}
		for len(a.failsafe.allowed) > 0 {
			<-a.failsafe.allowed
		}
	}
}

func TestWhoPromises(t *testing.T) {
	for name, c := range map[string]struct {
		with func(*Agent, *leasedStore, *cluster.NodeStatus)
		from string
		want error // nil: promised; errOther: anything else
	}{
		"a standby":              {nil, "b", nil},
		"off":                    {func(_ *Agent, _ *leasedStore, st *cluster.NodeStatus) { st.Settings.FailsafeMode = false }, "b", ErrFailsafeOff},
		"a primary":              {func(a *Agent, _ *leasedStore, _ *cluster.NodeStatus) { a.writable.Store(true) }, "b", ErrLeading},
		"the holder of the lock": {func(_ *Agent, s *leasedStore, _ *cluster.NodeStatus) { s.set(silentLease()) }, "b", ErrLeading},
		"about to take the lock": {func(a *Agent, _ *leasedStore, _ *cluster.NodeStatus) { a.promises.claim(&decide.View{}) }, "b", ErrLeading},
		"its own name":           {nil, "a", errOther},
		"another leader is known": {func(_ *Agent, _ *leasedStore, st *cluster.NodeStatus) {
			st.Cluster = &cluster.Cluster{Leader: &cluster.Leader{Name: "c"}}
		}, "b", errOther},
		"before the first look": {func(a *Agent, _ *leasedStore, _ *cluster.NodeStatus) { a.observed.Store(false) }, "b", errOther},
		"the disk does not take it": {func(a *Agent, _ *leasedStore, _ *cluster.NodeStatus) {
			a.o.SavePromise = func(decide.Promise, time.Duration) error { return errOther }
		}, "b", errOther},
	} {
		t.Run(name, func(t *testing.T) {
			store := &leasedStore{}
			a := testAgent(store, nil)
			a.observed.Store(true)
			st := *a.status.Load()
			if c.with != nil {
				c.with(a, store, &st)
			}
			a.status.Store(&st)
			grant, err := a.Failsafe(t.Context(), FailsafeCall{Name: c.from})
			switch {
			case c.want == nil && (err != nil || grant.For != 30*time.Second || a.promises.current().To != c.from):
				t.Errorf("got %+v, %v, %+v", grant, err, a.promises.current())
			case c.want == errOther && err == nil, c.want != nil && c.want != errOther && !errors.Is(err, c.want):
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

var errOther = errors.New("other")

func TestAClaimAndAPromiseExcludeEachOther(t *testing.T) {
	var p promises
	never := func() bool { return false }
	next := decide.Promise{To: "b", Until: 5}
	if !p.claim(&decide.View{}) || !errors.Is(p.give(next, 0, never), ErrLeading) {
		t.Error("a promise was given while this node becomes the leader")
	}
	p.unclaim()
	if err := p.give(next, 0, never); err != nil {
		t.Fatal(err)
	}
	if p.claim(&decide.View{}) {
		t.Error("a view from before the promise was acted on")
	}
	if !p.claim(&decide.View{Promise: next}) {
		t.Error("a decision that knew the promise was refused")
	}
}

func TestAPromiseIsNotTakenBackForAnother(t *testing.T) {
	never := func() bool { return false }
	for name, c := range map[string]struct {
		to      string
		epoch   cluster.Epoch
		now     lease.Instant
		refused bool
	}{
		"the same leader":          {"b", 7, 4, false},
		"another, of no epoch":     {"c", 0, 4, true},
		"another, of an older one": {"c", 6, 4, true},
		"a later leader":           {"c", 8, 4, false},
		"after the promise":        {"c", 0, 5, false},
	} {
		p := promises{given: decide.Promise{To: "b", Epoch: 7, Until: 5}}
		err := p.give(decide.Promise{To: c.to, Epoch: c.epoch, Until: 9}, c.now, never)
		if errors.Is(err, ErrPromised) != c.refused || (p.current().Until == 9) == c.refused {
			t.Errorf("%s: got %v, %+v", name, err, p.current())
		}
	}
}

// listStore notes the failsafe key that is written.
type listStore struct {
	leasedStore
	written map[string]string
}

func (s *listStore) SetFailsafe(_ context.Context, m map[string]string) error {
	s.written = m
	return nil
}

func TestWhoGaveNoPromiseIsNotListedWhilePromisesCarryTheFence(t *testing.T) {
	store := &listStore{}
	a := testAgent(store, nil)
	a.o.Name, a.o.APIURL = "a", "http://a"
	now := lease.Instant(time.Hour)
	a.o.Clock = func() lease.Instant { return now }
	b, c := cluster.Member{Name: "b"}, cluster.Member{Name: "c"}
	b.Data.APIURL, c.Data.APIURL = "http://b", "http://c"
	v := decide.View{Self: "a", Cluster: &cluster.Cluster{
		Members: []cluster.Member{b, c}, Failsafe: map[string]string{"a": "http://a", "b": "http://old", "gone": "http://gone"},
	}}
	for name, tc := range map[string]struct {
		promises, adopted lease.Instant
		unreadable        bool
		want              []string
	}{
		"no promise":                         {0, 0, false, []string{"a", "b", "c"}},
		"promises are over":                  {now, 0, false, []string{"a", "b", "c"}},
		"promises go on":                     {now + 1, 0, false, []string{"a", "b"}},
		"of a former agent maybe":            {0, now + 1, false, []string{"a", "b"}},
		"promises go on, key not understood": {now + 1, 0, true, []string{"a", "b"}},
	} {
		a.keeper.noteListed(v.Cluster)
		v, c := v, *v.Cluster
		if v.Cluster = &c; tc.unreadable {
			c.Failsafe = nil
		}
		a.keeper.noteListed(v.Cluster)
		a.failsafe.until.Store(int64(tc.promises))
		a.feeder.adoptedUntil.Store(int64(tc.adopted))
		if err := a.keeper.writeFailsafe(t.Context(), &v); err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(store.written)); !slices.Equal(got, tc.want) {
			t.Errorf("%s: wrote %v, want %v", name, got, tc.want)
		}
	}
}
