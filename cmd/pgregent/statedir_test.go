package main

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/zkdcs"
)

// A copy of state_dir on another host, or a host that was booted since, must
// not share or take up the session.
func TestSessionIsOfThisBootOnly(t *testing.T) {
	d := &stateDir{dir: t.TempDir(), local: &config.Local{Namespace: "service", Scope: "s", Name: "n"}}
	want := zkdcs.Session{ID: 7, Password: [16]byte{1, 2, 3}, Timeout: 5 * time.Second}
	if err := d.saveSession(want); err != nil {
		t.Fatal(err)
	}
	if got := d.loadSession(); got == nil || *got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	text, err := os.ReadFile(d.sessionPath())
	if err != nil {
		t.Fatal(err)
	}
	var f sessionFile
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	f.BootID = "another"
	if text, err = json.Marshal(f); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.sessionPath(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := d.loadSession(); got != nil {
		t.Errorf("the session of another boot was taken up: %+v", got)
	}
}

// A session that a fence has killed for is not resumed, and the next fence is
// told of it.
func TestASpentSessionIsNotResumed(t *testing.T) {
	d := &stateDir{dir: t.TempDir(), local: &config.Local{Namespace: "service", Scope: "s", Name: "n"}}
	if got := d.loadSpent(); got != 0 {
		t.Errorf("nothing was noted, got %d", got)
	}
	for _, id := range []int64{7, -7} {
		if err := d.saveSession(zkdcs.Session{ID: id}); err != nil {
			t.Fatal(err)
		}
		if d.loadSession() == nil {
			t.Errorf("session %d is not resumed before it is spent", id)
		}
		if err := d.saveSpent(id); err != nil {
			t.Fatal(err)
		}
		if got := d.loadSpent(); got != id {
			t.Errorf("spent: got %d, want %d", got, id)
		}
		if got := d.loadSession(); got != nil {
			t.Errorf("the spent session is resumed: %+v", got)
		}
	}
}
