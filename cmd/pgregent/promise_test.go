package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

func TestPromiseSurvivesTheAgent(t *testing.T) {
	const now, ttl = lease.Instant(time.Hour), 30 * time.Second
	d := &stateDir{dir: t.TempDir()}
	if got := d.loadPromise(now, ttl); got != (decide.Promise{}) {
		t.Errorf("without a file: got %+v", got)
	}
	given := decide.Promise{To: "pg1", Epoch: 1 << 40, Until: now.Add(3 * time.Second)}
	if err := d.savePromise(given, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := d.loadPromise(now, ttl); got != given {
		t.Errorf("got %+v, want %+v", got, given)
	}
	boot, err := bootID()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(d.promisePath())
	if err != nil {
		t.Fatal(err)
	}
	rewrite := func(text string) {
		t.Helper()
		if err := os.WriteFile(d.promisePath(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(strings.ReplaceAll(string(text), boot, "another"))
	if got := d.loadPromise(1, ttl); got.To != "pg1" || got.Until != lease.Instant(1).Add(5*time.Second) {
		t.Errorf("after a reboot: got %+v, want the full 5 s from now on", got)
	}
	rewrite("{")
	if got := d.loadPromise(now, ttl); got.Until != now.Add(ttl) {
		t.Errorf("unreadable: got %+v, want a promise for the ttl", got)
	}
}
