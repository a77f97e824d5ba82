package record

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }

func TestAllMembersDeriveTheSame(t *testing.T) {
	id := Derive("7000000000000000001", "shop", 10)
	if id != Derive("7000000000000000001", "shop", 10) || id == (ID{}) {
		t.Error("the same arguments give another identifier, or none")
	}
	for name, other := range map[string]ID{
		"system": Derive("7000000000000000002", "shop", 10), "scope": Derive("7000000000000000001", "shop2", 10),
		"epoch": Derive("7000000000000000001", "shop", 11), "joined": Derive("7000000000000000001shop", "", 10),
		"local": id.Local("a", start),
	} {
		if other == id {
			t.Errorf("%s does not count", name)
		}
	}
	if id.Root() == id.Span("a", "race", start) || id.Span("a", "race", start) == id.Span("b", "race", start) {
		t.Error("two spans are one")
	}
	// Written down: other programs may derive it too.
	if want := "94dade4beedfde26cf52b3d4168f84f4"; id.String() != want {
		t.Errorf("got %v", id)
	}
}

func TestIdentifiersAreReadAsWritten(t *testing.T) {
	id := Derive("1", "s", 2)
	if got, err := ParseID(id.String()); err != nil || got != id {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "12", strings.Repeat("g", 32), strings.Repeat("0", 33)} {
		if _, err := ParseID(bad); !errors.Is(err, ErrBadID) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for header, ok := range map[string]bool{
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": true,
		"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331":    false,
		"": false,
	} {
		if _, _, got := ParseTraceParent(header); got != ok {
			t.Errorf("%q: %v", header, got)
		}
	}
}

func entry(member string, phase Phase, begin, end int) Entry {
	id := Derive("1", "s", 1)
	e := Entry{ID: id, Trace: id, Span: id.Span(member, string(phase), at(begin)), Member: member, Phase: phase, Begin: at(begin), Kind: Failover, Old: "a", New: "b"}
	if end > 0 {
		e.End = at(end)
	}
	return e
}

func TestAnEntryIsReadAsWritten(t *testing.T) {
	e := entry("a", Race, 0, 10)
	e.Add(Event{At: at(3), Name: "peer", Facts: map[string]string{"member": "c"}})
	e.LSN, e.Timeline = 0x1000000A0, 3
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var back Entry
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(e, back); d != "" {
		t.Error(d)
	}
}

func TestEventsAreBounded(t *testing.T) {
	var e Entry
	for range MaxEvents + 3 {
		e.Add(Event{})
	}
	if len(e.Events) != MaxEvents || e.Left != 3 {
		t.Errorf("%d events, %d left out", len(e.Events), e.Left)
	}
}

func one(t *testing.T, entries ...Entry) Story {
	t.Helper()
	all := Merge(entries)
	if len(all) != 1 {
		t.Fatalf("%d stories", len(all))
	}
	return all[0]
}

func TestTheLastWordOfASpanCounts(t *testing.T) {
	open, closed := entry("b", Promote, 0, 0), entry("b", Promote, 0, 100)
	for _, list := range [][]Entry{{open, closed}, {closed, open}, {open, closed, open, closed}} {
		if s := one(t, list...); len(s.Phases) != 1 || s.Phases[0].End.IsZero() {
			t.Errorf("got %+v", s.Phases)
		}
	}
	if s := one(t, open); len(s.Gaps) != 1 || !strings.Contains(s.Gaps[0].Why, "b has not told the end of promote") {
		t.Errorf("got %+v", s.Gaps)
	}
}

func TestGapsAreNamed(t *testing.T) {
	s := one(t, entry("a", Release, 0, 10), entry("b", Race, 40, 60), entry("b", Promote, 61, 100), entry("b", Change, 40, 130), entry("c", Follow, 70, 500))
	if s.Begin != at(0) || s.End != at(130) {
		t.Errorf("from %v to %v", s.Begin, s.End)
	}
	// c follows until after the end: the time is covered, by what is no phase
	// of the way.
	if len(s.Gaps) != 1 || s.Gaps[0].Seconds != 0.03 || s.Gaps[0].Why != "nobody has noted anything between release on a and race on b" {
		t.Errorf("got %+v", s.Gaps)
	}
	if s.Longest != "promote on b" {
		t.Errorf("longest: %s", s.Longest)
	}
	s.Missing("c", "no answer")
	if len(s.Gaps) != 2 {
		t.Error("a missing member is no gap")
	}
}

func TestWhoWasThereKnowsBest(t *testing.T) {
	guess, known := entry("b", Detect, 0, 2000), entry("a", Detect, 1500, 1501)
	guess.Cause, guess.Guess, guess.Reason = CauseNodeLost, true, "gone"
	known.Cause, known.Reason = CauseCrash, "crashed"
	root := entry("b", Change, 0, 3000)
	root.Cause, root.Guess = CauseNodeLost, true
	s := one(t, guess, root, known)
	if s.Cause != CauseCrash || s.Guess || s.Reason != "crashed" || s.Begin != at(1500) {
		t.Errorf("got %+v", s)
	}
	if s := one(t, guess, root); s.Cause != CauseNodeLost || !s.Guess || s.Begin != at(0) {
		t.Errorf("got %+v", s)
	}
}

func TestTheCauseBehindTheOthersIsNamed(t *testing.T) {
	for _, tc := range []struct{ a, b, want Cause }{
		{CauseStoreCut, CauseNetworkCut, CauseNetworkCut},
		{CauseCrash, CauseDiskFull, CauseDiskFull},
		{CauseSwitchover, CauseLag, CauseSwitchover},
		{CauseNodeLost, CauseAgentKilled, CauseAgentKilled},
		{"", CauseLag, CauseLag},
	} {
		a, b := entry("a", Detect, 0, 1), entry("b", Race, 1, 2)
		a.Cause, b.Cause = tc.a, tc.b
		if s := one(t, a, b); s.Cause != tc.want {
			t.Errorf("%q and %q: %q", tc.a, tc.b, s.Cause)
		}
	}
}

func TestTheNewestComesFirst(t *testing.T) {
	older, newer := entry("a", Race, 0, 1), entry("a", Race, 5, 6)
	newer.ID = Derive("1", "s", 2)
	if all := Merge([]Entry{older, newer}); len(all) != 2 || all[0].ID != newer.ID {
		t.Errorf("got %+v", all)
	}
	again := entry("a", Race, 0, 1)
	again.Old, again.New = "a", "a"
	if s := one(t, again); s.Kind != Reclaim {
		t.Errorf("got %s", s.Kind)
	}
}
