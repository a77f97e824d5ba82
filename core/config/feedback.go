package config

import (
	"cmp"
	"slices"

	"github.com/pgregent/pgregent/core/cluster"
)

// feedback turns hot_standby_feedback on where permanent logical slots are
// copied to: it makes the primary keep the catalog rows that the copies need.
func (m *merger) feedback(p *Postgres, settings cluster.Settings, tags cluster.Tags) {
	const name = "hot_standby_feedback"
	if !settings.UseSlots || !settings.Slots.Logical() || tags.NoFailover() || tags.NoStream() {
		return
	}
	i, found := slices.BinarySearchFunc(p.Parameters, name, func(p Parameter, name string) int { return cmp.Compare(p.Name, name) })
	if !found {
		p.Parameters = slices.Insert(p.Parameters, i, Parameter{name, "on"})
		return
	}
	if on, _ := cluster.ParseBool(p.Parameters[i].Value); !on {
		m.warnf("postgresql.parameters.%s: on is used; permanent logical slots need it", name)
	}
	p.Parameters[i].Value = "on"
}
