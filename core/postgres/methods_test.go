package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/config"
)

func TestAttempts(t *testing.T) {
	for names, want := range map[string]string{
		"basebackup":                 "basebackup",
		"basebackup tape":            "basebackup basebackup tape",
		"tape basebackup":            "tape basebackup",
		"tape basebackup pgbackrest": "tape basebackup basebackup pgbackrest",
		"basebackup=script tape":     "basebackup tape",
	} {
		var list []config.Method
		for word := range strings.FieldsSeq(names) {
			name, command, _ := strings.Cut(word, "=")
			list = append(list, config.Method{Name: name, Command: command})
		}
		var got []string
		for _, m := range attempts(list) {
			got = append(got, m.Name)
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s: got %s, want %s", names, text, want)
		}
	}
}

func TestPauseEndsWithItsContext(t *testing.T) {
	why := errors.New("told to end")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := pause(ctx, time.Hour); !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
	if err := pause(t.Context(), 0); err != nil {
		t.Error(err)
	}
}

// A replica method that takes an atomic snapshot has no backup_label; the
// postmaster.opts in it says that recovery may begin at the control file.
func TestSnapshotIsUsable(t *testing.T) {
	for name, c := range map[string]struct {
		files  []string
		usable bool
	}{
		"snapshot":            {[]string{"postmaster.opts", "postmaster.pid"}, true},
		"copy with its label": {[]string{"backup_label"}, true},
		"copy without":        {[]string{"postmaster.pid"}, false},
	} {
		dir := filepath.Join(t.TempDir(), "data")
		control := make([]byte, controlHeadSize)
		binary.NativeEndian.PutUint32(control[16:], uint32(dbInProduction))
		write := func(file, text string) {
			t.Helper()
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("PG_VERSION", "15\n")
		write("global/pg_control", string(control))
		for _, f := range c.files {
			write(f, "")
		}
		s := New(Options{Config: config.Postgres{DataDir: dir}})
		if err := s.copied(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if empty, problem := s.inspectData(); empty || (problem == "") != c.usable {
			t.Errorf("%s: empty %v, problem %q, want usable %v", name, empty, problem, c.usable)
		}
	}
}
