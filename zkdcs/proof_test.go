package zkdcs

import (
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/lease"
)

func TestProof(t *testing.T) {
	p := lease.Params{Timeout: 10 * time.Second, Tick: 2 * time.Second, Interval: time.Second}
	at := func(s float64) lease.Instant {
		return lease.Instant(100 * time.Second).Add(time.Duration(s * float64(time.Second)))
	}
	type write struct{ sent, answered float64 }
	for name, tc := range map[string]struct {
		writes []write
		sent   float64
		gap    time.Duration
		woken  bool // by the last
	}{
		"the first":                     {[]write{{0, 0.1}}, 0, 0, false},
		"a first that was slow":         {[]write{{0, 1.5}}, 0, 500 * time.Millisecond, false},
		"on schedule":                   {[]write{{0, 0}, {1, 1}, {2, 2}}, 2, 0, false},
		"after a gap":                   {[]write{{0, 0}, {1, 1}, {4, 4}}, 4, 2 * time.Second, true},
		"a gap counts inside a window":  {[]write{{0, 0}, {1, 1}, {4, 4}, {5, 5}, {7, 7}}, 7, 2 * time.Second, false},
		"a gap is forgotten":            {[]write{{0, 0}, {1, 1}, {4, 4}, {5, 5}, {6, 6}, {7, 7}, {8, 8}}, 8, 0, false},
		"an older proof answered later": {[]write{{0, 0}, {2, 2}, {1, 2.5}}, 2, time.Second, false},
		"a shorter bound is not taken":  {[]write{{0, 0}, {1, 1}, {1.5, 6}}, 1, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := &ownership{epoch: 3}
			o.reattached(at(0)) // the silence before is another test's matter
			var woken bool
			for _, w := range tc.writes {
				woken = o.prove(at(w.sent), at(w.answered), p)
			}
			if o.held.Sent != at(tc.sent) || o.held.Gap != tc.gap || woken != tc.woken {
				t.Errorf("got sent %v, gap %v, woken %v, want %v, %v, %v",
					o.held.Sent.Sub(at(0)), o.held.Gap, woken, tc.sent, tc.gap, tc.woken)
			}
			if o.held.Epoch != 3 || len(o.answers) > 6 {
				t.Errorf("got epoch %d, %d answers", o.held.Epoch, len(o.answers))
			}
		})
	}
}

func TestSilenceBeforeAReattachmentDoesNotCount(t *testing.T) {
	p := lease.Params{Timeout: 10 * time.Second, Tick: 2 * time.Second, Interval: time.Second}
	start := lease.Instant(100 * time.Second)
	o := &ownership{epoch: 3}
	o.prove(start, start, p)
	back := start.Add(8 * time.Second)
	o.reattached(back)
	o.prove(back.Add(10*time.Millisecond), back.Add(1300*time.Millisecond), p)
	if got, want := o.held.Gap, 300*time.Millisecond; got != want || o.held.Sent != back.Add(10*time.Millisecond) {
		t.Errorf("gap %v, sent %v after the reattachment; want %v, 10ms", got, o.held.Sent.Sub(back), want)
	}
}

func TestPingsOnlyBeforeTheFirstProof(t *testing.T) {
	p := lease.Params{Timeout: 9 * time.Second, Tick: 2 * time.Second, Interval: time.Second}
	start := lease.Instant(100 * time.Second)
	o := &ownership{epoch: 3}
	if o.prove(start, start.Add(100*time.Millisecond), p) {
		t.Error("the first proof counts as one after a gap")
	}
	// Silent for three seconds, and for the answer, minus the interval.
	if got, want := o.held.Gap, 2100*time.Millisecond; got != want {
		t.Errorf("got gap %v, want %v", got, want)
	}
	for i := 1; i <= 4; i++ {
		at := start.Add(time.Duration(i) * time.Second)
		o.prove(at, at.Add(100*time.Millisecond), p)
	}
	if o.held.Gap != 0 {
		t.Errorf("got gap %v a window later, want none", o.held.Gap)
	}
}

func TestShorterTimeoutCountsAtOnce(t *testing.T) {
	long := lease.Params{Timeout: 20 * time.Second, Tick: 2 * time.Second, Interval: time.Second}
	short := long
	short.Timeout = 8 * time.Second
	start := lease.Instant(100 * time.Second)
	for name, tc := range map[string]struct {
		handshake bool
		proofs    []lease.Params
	}{
		"at the handshake":           {true, nil},
		"at a proof":                 {false, []lease.Params{short}},
		"at the handshake and after": {true, []lease.Params{short}},
	} {
		t.Run(name, func(t *testing.T) {
			o := &ownership{epoch: 3}
			o.reattached(start)
			o.prove(start, start, long)
			if tc.handshake {
				o.granted(short.Timeout)
			}
			at := start
			for _, p := range tc.proofs {
				at = at.Add(time.Second)
				o.prove(at, at, p)
			}
			want := lease.Lease{Epoch: 3, Sent: at, Params: short}
			if o.held != want {
				t.Errorf("got %+v, want %+v", o.held, want)
			}
			if o.granted(long.Timeout); o.held != want {
				t.Errorf("a longer timeout prolonged an old proof: %+v", o.held)
			}
		})
	}
}

func TestHandshakeShortensTheLease(t *testing.T) {
	s, err := New(Options{Hosts: []string{"localhost"}, Scope: "x", Name: "a", SessionTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	sess := Session{ID: 7, Timeout: 20 * time.Second}
	s.takeSession(sess)
	now := lease.Now()
	s.proven(s.own(sess, 3), now, now)
	before := s.Lease()
	sess.Timeout = 6 * time.Second
	s.takeSession(sess)
	if l := s.Lease(); before.Timeout != 20*time.Second || l.Timeout != sess.Timeout || !l.Hard().Before(before.Hard()) {
		t.Errorf("got %+v, before %+v", l, before)
	}
}
