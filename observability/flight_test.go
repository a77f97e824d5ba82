package observability

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/record"
)

func openFlight(t *testing.T, dir string) *Flight {
	t.Helper()
	f, err := OpenFlight(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func add(t *testing.T, f *Flight, e record.Entry) {
	t.Helper()
	if err := f.Add(e); err != nil {
		t.Fatal(err)
	}
}

func TestTheRecordSurvivesTheAgent(t *testing.T) {
	dir := t.TempDir()
	f := openFlight(t, dir)
	race := someEntry("db2", record.Race)
	race.Begin, race.End = race.Begin.UTC().Round(0), race.End.UTC().Round(0)
	race.Events[0].At = race.Begin
	open := race
	open.End = time.Time{}
	add(t, f, open)
	add(t, f, race)
	// The agent is killed here: nothing is closed.
	again := openFlight(t, dir)
	if d := cmp.Diff([]record.Entry{race}, again.Entries()); d != "" {
		t.Error(d)
	}
}

func TestATornLineIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	f := openFlight(t, dir)
	add(t, f, someEntry("db2", record.Race))
	text, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, torn := range []string{string(text[:len(text)/2]), "\x00\x00\x00\n", "{}\n", strings.Repeat("x", 70000) + "\n"} {
		if err := os.WriteFile(f.path, []byte(string(text)+torn), 0o600); err != nil {
			t.Fatal(err)
		}
		g := openFlight(t, dir)
		if n := len(g.Entries()); n != 1 {
			t.Errorf("%d entries before", n)
		}
		add(t, g, someEntry("db2", record.Promote))
		if n := len(openFlight(t, dir).Entries()); n != 2 {
			t.Errorf("%d entries after %.20q, want 2", n, torn)
		}
	}
}

func TestTheRecordIsBounded(t *testing.T) {
	dir := t.TempDir()
	f := openFlight(t, dir)
	f.max = 20_000
	var last record.Entry
	for i := range 500 {
		last = someEntry("db2", record.Race)
		last.ID = record.Derive("1", "shop", cluster.Epoch(i))
		last.Begin = last.Begin.Add(time.Duration(i) * time.Minute)
		last.Span = last.ID.Span("db2", "race", last.Begin)
		add(t, f, last)
		if info, err := os.Stat(f.path); err != nil || info.Size() > f.max {
			t.Fatalf("%v, %v", info.Size(), err)
		}
	}
	kept := openFlight(t, dir).Entries()
	if len(kept) < 5 || len(kept) > 100 || kept[len(kept)-1].ID != last.ID || kept[0].ID == record.Derive("1", "shop", 0) {
		t.Errorf("%d entries are kept", len(kept))
	}
}

func TestTheRecorderNeverHoldsUp(t *testing.T) {
	held := make(chan struct{})
	r := NewRecorder(RecorderOptions{Observe: func(record.Entry) { <-held }, Logger: slog.New(slog.DiscardHandler)})
	for range recorderQueue + 10 {
		r.Record(someEntry("db2", record.Race))
	}
	if d := r.Dropped(); d < 9 || d > 10 { // one may be in hand
		t.Errorf("%d dropped", d)
	}
	close(held)
	r.Close(t.Context())
}

func TestTheRecorderKeepsWhatIsQueued(t *testing.T) {
	dir := t.TempDir()
	var led []cluster.Epoch
	seen := 0
	r := NewRecorder(RecorderOptions{
		Flight: openFlight(t, dir), Observe: func(record.Entry) { seen++ }, Logger: slog.New(slog.DiscardHandler),
		Leading: func(e cluster.Epoch) error { led = append(led, e); return nil },
	})
	open := someEntry("db2", record.Promote)
	open.End = time.Time{}
	r.Record(someEntry("db2", record.Race))
	r.Leading(7)
	r.Record(open)
	r.Leading(0)
	r.Close(t.Context())
	if got := fmt.Sprint(led, seen, len(openFlight(t, dir).Entries())); got != "[7 0] 1 2" {
		t.Errorf("got %s", got)
	}
}

func TestTheLastWordIsReadAsWritten(t *testing.T) {
	dir := t.TempDir()
	if l, f := LoadLastWord(dir); l != (Leading{}) || f != (Fenced{}) {
		t.Errorf("got %+v, %+v of nothing", l, f)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	lead, fenced := Leading{Epoch: 7, At: at, BootID: "b"}, Fenced{At: at, Why: "the agent is gone"}
	for range 2 {
		if err := SaveLeading(dir, lead); err != nil {
			t.Fatal(err)
		}
	}
	if err := SaveFenced(dir, fenced); err != nil {
		t.Fatal(err)
	}
	if l, f := LoadLastWord(dir); l != lead || f != fenced {
		t.Errorf("got %+v, %+v", l, f)
	}
	for range 2 {
		if err := SaveLeading(dir, Leading{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, fencedName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, f := LoadLastWord(dir); l.Epoch != 0 || f.Why != "" {
		t.Errorf("got %+v, %+v", l, f)
	}
}
