package sim

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/cluster"
)

// Slots keeps a list of slots and positions; they hold nothing back.
func (o *pgPort) Slots(_ context.Context, changes []cluster.SlotChange) (list []cluster.Slot, err error) {
	err = o.do(func() {
		if !o.pg.running || !o.pg.ready {
			return
		}
		for _, c := range changes {
			switch c.Verb {
			case cluster.CreateSlot:
				o.pg.slots[c.Name] = cluster.Slot{Name: c.Name, Type: c.Type, Database: c.Database, Plugin: c.Plugin, RestartLSN: o.pg.at.lsn}
			case cluster.AdvanceSlot:
				if slot, there := o.pg.slots[c.Name]; there && c.To > slot.RestartLSN {
					slot.RestartLSN = c.To
					o.pg.slots[c.Name] = slot
				}
			case cluster.DropSlot:
				delete(o.pg.slots, c.Name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(o.pg.slots)) {
			list = append(list, o.pg.slots[name])
		}
	})
	return list, err
}

// UpstreamSlots lists the slots of another server.
func (o *pgPort) UpstreamSlots(_ context.Context, up cluster.Upstream) (list []cluster.Slot, err error) {
	dead := o.do(func() {
		from, cannot := o.pg.reach(up)
		if err = cannot; err == nil {
			list = slices.Collect(maps.Values(from.slots))
		}
	})
	return list, errors.Join(dead, err)
}

// CopySlots is for logical slots, which are not modelled.
func (o *pgPort) CopySlots(context.Context, cluster.Upstream, []string, agent.StartOptions, func(context.Context)) error {
	return errors.New("logical slots are not modelled")
}
