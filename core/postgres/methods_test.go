package postgres

import (
	"context"
	"errors"
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
