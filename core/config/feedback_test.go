package config

import (
	"cmp"
	"strings"
	"testing"
)

func TestFeedbackForLogicalSlots(t *testing.T) {
	const cdc = `{"slots": {"cdc": {"type": "logical", "database": "d", "plugin": "p"}}`
	for name, tc := range map[string]struct {
		local, tags, dynamic, want, warning string
	}{
		"no slots":             {"", "", `{}`, "", ""},
		"a physical slot":      {"", "", `{"slots": {"x": null}}`, "", ""},
		"a logical slot":       {"", "", cdc + "}", "on", ""},
		"switched off locally": {"parameters: {hot_standby_feedback: off}", "", cdc + "}", "on", "hot_standby_feedback"},
		"on already":           {"parameters: {hot_standby_feedback: on}", "", cdc + "}", "on", ""},
		"never leads":          {"", "nofailover: true", cdc + "}", "", ""},
		"never streams":        {"", "nostream: true", cdc + "}", "", ""},
		"no slots used":        {"", "", cdc + `, "postgresql": {"use_slots": false}}`, "", ""},
		"a standby cluster":    {"", "", cdc + `, "standby_cluster": {"host": "h"}}`, "", ""},
	} {
		l, _ := mustLoad(t, withPostgres(cmp.Or(tc.local, "use_unix_socket: no"))+"\ntags: {"+tc.tags+"}\n")
		p, warnings := l.Postgres(object(t, tc.dynamic))
		got := ""
		for i, c := range p.Parameters {
			if i > 0 && p.Parameters[i-1].Name >= c.Name {
				t.Errorf("%s: not sorted", name)
			}
			if c.Name == "hot_standby_feedback" {
				got = c.Value
			}
		}
		if text := strings.Join(warnings, "; "); !strings.EqualFold(got, tc.want) || !strings.Contains(text, tc.warning) || (tc.warning == "") != (text == "") {
			t.Errorf("%s: got %q, %q", name, got, warnings)
		}
	}
}
