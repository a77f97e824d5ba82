package decide

import (
	"testing"

	"pgregory.net/rapid"
)

func TestNoRuleMatchesOutsideItsGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyView(t)
		v.Settings.Pause = rapid.Bool().Draw(t, "pause")
		if rapid.Bool().Draw(t, "data problem") {
			v.Instance.DataProblem = "of another user"
		}
		if rapid.Bool().Draw(t, "never read") {
			v.Cluster, v.StoreErr = nil, "silent"
		}
		for _, g := range table {
			if g.scope.holds(&v) {
				continue
			}
			for _, r := range g.rules {
				if r.When(&v) {
					t.Errorf("rule %q matches outside of its group", r.Name)
				}
			}
		}
	})
}
