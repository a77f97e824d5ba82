package lease

import (
	"testing"
	"time"
)

func TestProof(t *testing.T) {
	p := Params{Timeout: 10 * time.Second, Tick: 2 * time.Second, Interval: time.Second}
	at := func(s float64) Instant {
		return Instant(100 * time.Second).Add(time.Duration(s * float64(time.Second)))
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
			o := &Proofs{Epoch: 3}
			o.Reattached(at(0)) // the silence before is another test's matter
			var woken bool
			for _, w := range tc.writes {
				woken = o.Prove(at(w.sent), at(w.answered), p)
			}
			if o.Lease.Sent != at(tc.sent) || o.Lease.Gap != tc.gap || woken != tc.woken {
				t.Errorf("got sent %v, gap %v, woken %v, want %v, %v, %v",
					o.Lease.Sent.Sub(at(0)), o.Lease.Gap, woken, tc.sent, tc.gap, tc.woken)
			}
			if o.Lease.Epoch != 3 || len(o.answers) > 6 {
				t.Errorf("got epoch %d, %d answers", o.Lease.Epoch, len(o.answers))
			}
		})
	}
}

func TestSilenceBeforeAReattachmentDoesNotCount(t *testing.T) {
	p := Params{Timeout: 10 * time.Second, Tick: 2 * time.Second, Interval: time.Second}
	start := Instant(100 * time.Second)
	o := &Proofs{Epoch: 3}
	o.Prove(start, start, p)
	back := start.Add(8 * time.Second)
	o.Reattached(back)
	o.Prove(back.Add(10*time.Millisecond), back.Add(1300*time.Millisecond), p)
	if got, want := o.Lease.Gap, 300*time.Millisecond; got != want || o.Lease.Sent != back.Add(10*time.Millisecond) {
		t.Errorf("gap %v, sent %v after the reattachment; want %v, 10ms", got, o.Lease.Sent.Sub(back), want)
	}
}

func TestPingsOnlyBeforeTheFirstProof(t *testing.T) {
	p := Params{Timeout: 9 * time.Second, Tick: 2 * time.Second, Interval: time.Second}
	start := Instant(100 * time.Second)
	o := &Proofs{Epoch: 3}
	if o.Prove(start, start.Add(100*time.Millisecond), p) {
		t.Error("the first proof counts as one after a gap")
	}
	// Silent for three seconds, and for the answer, minus the interval.
	if got, want := o.Lease.Gap, 2100*time.Millisecond; got != want {
		t.Errorf("got gap %v, want %v", got, want)
	}
	for i := 1; i <= 4; i++ {
		at := start.Add(time.Duration(i) * time.Second)
		o.Prove(at, at.Add(100*time.Millisecond), p)
	}
	if o.Lease.Gap != 0 {
		t.Errorf("got gap %v a window later, want none", o.Lease.Gap)
	}
}

func TestShorterTimeoutCountsAtOnce(t *testing.T) {
	long := Params{Timeout: 20 * time.Second, Tick: 2 * time.Second, Interval: time.Second}
	short := long
	short.Timeout = 8 * time.Second
	start := Instant(100 * time.Second)
	for name, tc := range map[string]struct {
		handshake bool
		proofs    []Params
	}{
		"at the handshake":           {true, nil},
		"at a proof":                 {false, []Params{short}},
		"at the handshake and after": {true, []Params{short}},
	} {
		t.Run(name, func(t *testing.T) {
			o := &Proofs{Epoch: 3}
			o.Reattached(start)
			o.Prove(start, start, long)
			if tc.handshake {
				o.Granted(short.Timeout)
			}
			at := start
			for _, p := range tc.proofs {
				at = at.Add(time.Second)
				o.Prove(at, at, p)
			}
			want := Lease{Epoch: 3, Sent: at, Params: short}
			if o.Lease != want {
				t.Errorf("got %+v, want %+v", o.Lease, want)
			}
			if o.Granted(long.Timeout); o.Lease != want {
				t.Errorf("a longer timeout prolonged an old proof: %+v", o.Lease)
			}
		})
	}
}
