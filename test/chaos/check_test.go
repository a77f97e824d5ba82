package chaos

import (
	"slices"
	"testing"
	"time"
)

// start is an arbitrary instant; times below are milliseconds after it.
var start = time.Now()

func at(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }

// ack is a write of the given kind; its number is the time at which it was
// sent.
func ack(node, timeline string, sent, done int) Ack {
	return Ack{ID: int64(sent), Node: node, Timeline: timeline, Kind: KeptOpen, Sent: at(sent), Done: at(done)}
}

// every makes a write each 10 ms that takes 2 ms.
func every(node, timeline string, from, to int) []Ack {
	var acks []Ack
	for ms := from; ms < to; ms += 10 {
		acks = append(acks, ack(node, timeline, ms, ms+2))
	}
	return acks
}

func TestOverlap(t *testing.T) {
	for name, c := range map[string]struct {
		acks []Ack
		want time.Duration // -1: any but none
	}{
		"nothing was acknowledged":                                 {nil, 0},
		"one primary":                                              {every("a", "1", 0, 1000), 0},
		"one after the other":                                      {slices.Concat(every("a", "1", 0, 1000), every("b", "2", 1500, 2000)), 0},
		"to and fro, a timeline each":                              {slices.Concat(every("a", "1", 0, 100), every("b", "2", 110, 200), every("a", "3", 210, 300)), 0},
		"crash and restart in place":                               {slices.Concat(every("a", "1", 0, 100), every("a", "1", 900, 1000)), 0},
		"both for 500 ms":                                          {slices.Concat(every("a", "1", 0, 1000), every("b", "2", 490, 2000)), 498 * time.Millisecond},
		"the order of the list is no matter":                       {slices.Concat(every("b", "2", 490, 2000), every("a", "1", 0, 1000)), 498 * time.Millisecond},
		"one stray write of a revived primary":                     {slices.Concat(every("a", "1", 0, 100), every("b", "2", 500, 2000), every("a", "1", 1000, 1005)), -1},
		"one write only, amid another's reign":                     {slices.Concat(every("b", "2", 500, 2000), every("a", "1", 1000, 1005)), -1},
		"first writes of a new primary before the last of the old": {[]Ack{ack("a", "1", 0, 2), ack("b", "2", 10, 12), ack("a", "1", 20, 22), ack("b", "2", 30, 32)}, 8 * time.Millisecond},
		"a slow answer proves nothing":                             {[]Ack{ack("a", "1", 0, 2), ack("a", "1", 10, 900), ack("b", "2", 500, 502), ack("b", "2", 600, 602)}, 0},
		"a slow request proves nothing":                            {[]Ack{ack("b", "2", 10, 900), ack("a", "1", 0, 2), ack("a", "1", 500, 502)}, 0},
		"three pairs add up":                                       {slices.Concat(every("a", "1", 0, 100), every("b", "2", 0, 100), every("c", "3", 0, 100)), 3 * 88 * time.Millisecond},
		"the same timeline on two nodes":                           {slices.Concat(every("a", "1", 0, 100), every("b", "1", 50, 200)), 38 * time.Millisecond},
	} {
		got, pairs := overlap(c.acks)
		if (c.want == -1 && got == 0) || (c.want != -1 && got != c.want) {
			t.Errorf("%s: got %v (%v), want %v", name, got, pairs, c.want)
		}
	}
}

func TestLostRowsAreSplitByTheFault(t *testing.T) {
	h := History{
		Acks:    every("a", "1", 0, 100), // numbers 0, 10, ... 90
		Settled: at(50), From: at(60), To: at(200),
		Present: map[int64]bool{0: true, 20: true, 30: true, 40: true, 50: true, 60: true, 70: true, 90: true},
	}
	r := Check(h)
	if !slices.Equal(r.LostSettled, []int64{10}) || !slices.Equal(r.LostAround, []int64{80}) {
		t.Errorf("got settled %v, around %v, want [10] and [80]", r.LostSettled, r.LostAround)
	}
	if r.Acks != 4 {
		t.Errorf("got %d acknowledged after the fault began, want those of 60 to 90", r.Acks)
	}
	delete(h.Present, 40) // acknowledged at 42, before Settled
	delete(h.Present, 50) // at 52, after it
	if r := Check(h); len(r.LostSettled) != 2 || len(r.LostAround) != 2 {
		t.Errorf("got settled %v, around %v, want two each", r.LostSettled, r.LostAround)
	}
}

func TestGap(t *testing.T) {
	for name, c := range map[string]struct {
		acks []Ack
		want int
	}{
		"steady":                      {every("a", "1", 0, 1000), 10},
		"none at all":                 {nil, 990},
		"fail-over":                   {slices.Concat(every("a", "1", 0, 300), every("b", "2", 800, 1000)), 510},
		"none at first":               {every("a", "1", 700, 1000), 692},
		"none any more":               {every("a", "1", 0, 300), 708},
		"before and after are beside": {[]Ack{ack("a", "1", 0, 5), ack("a", "1", 1500, 1502)}, 990},
	} {
		got := Check(History{Acks: c.acks, From: at(10), To: at(1000)})
		if got.Gap != time.Duration(c.want)*time.Millisecond {
			t.Errorf("%s: got %v, want %d ms", name, got.Gap, c.want)
		}
		if got.GapKeptOpen != got.Gap || got.GapNew != 990*time.Millisecond {
			t.Errorf("%s: gaps of the kinds are %v and %v", name, got.GapKeptOpen, got.GapNew)
		}
	}
}
