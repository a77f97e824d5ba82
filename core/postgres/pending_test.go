package postgres

import (
	"testing"

	"github.com/pgregent/pgregent/core/config"
)

func TestWhatWaitsForARestart(t *testing.T) {
	cfg := config.Postgres{
		Controlled: []config.Parameter{{Name: "max_connections", Value: "100"}, {Name: "hot_standby", Value: "on"}},
		Parameters: []config.Parameter{{Name: "shared_buffers", Value: "256MB"}},
	}
	for name, tc := range map[string]struct {
		row    setting
		wanted string
		waits  bool
	}{
		"ours, as wanted":                {setting{name: "max_connections", value: "100", kind: "integer"}, "", false},
		"ours, changed":                  {setting{name: "max_connections", value: "200", kind: "integer"}, "100", true},
		"hot_standby":                    {setting{name: "hot_standby", value: "off", kind: "bool"}, "", false},
		"a file's, changed":              {setting{name: "shared_buffers", pending: true, kind: "integer"}, "256MB", true},
		"a file's, not of ours":          {setting{name: "huge_pages", pending: true, kind: "enum"}, "?", true},
		"a file's, in force":             {setting{name: "huge_pages", kind: "enum"}, "", false},
		"recovery setting of a promoted": {setting{name: "recovery_target_timeline", pending: true, kind: "string"}, "", false},
	} {
		if wanted, waits := tc.row.waits(cfg); wanted != tc.wanted || waits != tc.waits {
			t.Errorf("%s: got %q, %v, want %q, %v", name, wanted, waits, tc.wanted, tc.waits)
		}
	}
}
