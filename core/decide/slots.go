package decide

import (
	"cmp"
	"maps"
	"slices"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// SlotMemory is what the planner remembers from one round to the next. The
// zero value is that of a new agent. It is a value: a plan makes a new one.
type SlotMemory struct {
	// Seen is when the member that streams through a slot last had its key.
	Seen map[string]lease.Instant
	// Epoch is whose leadership the rest is about. Floor is, by logical slot,
	// from which catalog_xmin on the leader is sure to have kept all rows that
	// a copy needs; Ready are the copies that have passed it.
	Epoch cluster.Epoch
	Floor map[string]uint32
	Ready map[string]bool
	// Led means that a plan was made as leader in that epoch.
	Led bool
}

// SlotPlan is what to do about the replication slots of one server.
type SlotPlan struct {
	// Changes are in the order in which they are to be made.
	Changes []cluster.SlotChange
	// Copy are the permanent logical slots that a standby has to copy from
	// the leader, which takes a restart.
	Copy []string
	// Unproven are the permanent logical slots of a standby that are missing,
	// or may need catalog rows that are gone: after a promotion now, their
	// consumers could fail. Judge proves those that exist.
	Unproven []string
	// Positions and Retain are a leader's, for the status key.
	Positions map[string]cluster.LSN
	Retain    []string
	// Warnings are one sentence each.
	Warnings []string
	Memory   SlotMemory
}

// PlanSlots compares the replication slots that the local server has with
// those that it should have: those that members stream through, on every node
// that may lead, so that they can stream on right after a failover, and
// permanent ones. It does not depend on what a changed slot will look like:
// the state after the changes is planned for anew.
func PlanSlots(v *View, have []cluster.Slot, m SlotMemory) SlotPlan {
	p := slotPlanner{View: v, lead: v.holds()}
	p.remember(m)
	p.wantMembers()
	p.wantRetained()
	p.wantPermanent()
	p.drop(have)
	p.create(have)
	p.advance(have)
	p.copies(have)
	p.publish(have)
	slices.Sort(p.plan.Warnings)
	return p.plan
}

// wantedSlot is a slot that should exist.
type wantedSlot struct {
	cluster.SlotChange // all but the verb; To is 0 if the slot is not advanced
	member             string
	permanent          bool
	// used means that a member is expected to stream through it.
	used bool
}

type slotPlanner struct {
	*View
	lead bool
	want []wantedSlot
	plan SlotPlan
}

// remember takes over what is still true. A new leader also goes on to keep
// what its predecessor kept.
func (p *slotPlanner) remember(m SlotMemory) {
	seen := map[string]lease.Instant{}
	for slot, at := range m.Seen {
		if p.Now.Sub(at) < p.Settings.MemberSlotsTTL {
			seen[slot] = at
		}
	}
	epoch := m.Epoch // while nobody leads
	if p.Cluster.Leader != nil {
		epoch = p.Cluster.Leader.Epoch
	}
	p.plan.Memory = SlotMemory{Seen: seen, Epoch: epoch}
	if m.Epoch == epoch && (m.Led || !p.lead) {
		p.plan.Memory.Led = m.Led
		p.plan.Memory.Floor, p.plan.Memory.Ready = copied(m.Floor), copied(m.Ready)
		return
	}
	if p.lead {
		p.plan.Memory.Led = true
		for _, slot := range p.Cluster.Status.RetainSlots {
			if _, known := seen[slot]; !known && slot != p.own() && p.retains() {
				seen[slot] = p.Now
			}
		}
	}
}

// copied is a copy of m, and nil if m is empty, as it mostly is.
func copied[V any](m map[string]V) map[string]V {
	if len(m) == 0 {
		return nil
	}
	return maps.Clone(m)
}

// retains reports that slots of all members are kept here, also of those that
// have gone for a while.
func (p *slotPlanner) retains() bool { return p.Settings.MemberSlotsTTL > 0 }

// mayLead reports that this node leads or could take over.
func (p *slotPlanner) mayLead() bool { return p.lead || !p.Tags.NoFailover() }

// own is the slot that this node streams through.
func (p *slotPlanner) own() string { return cluster.SlotName(p.Self) }

// add wants a slot; of two wishes for one name the first counts, except that
// both are remembered.
func (p *slotPlanner) add(w wantedSlot) {
	old := p.wish(w.Name)
	switch {
	case old == nil:
		p.want = append(p.want, w)
		return
	case old.member != "" && w.member != "":
		p.warn("members " + old.member + " and " + w.member + " share the replication slot " + w.Name + "; rename one of them")
	case w.Type != old.Type:
		p.warn("the permanent " + string(w.Type) + " slot " + w.Name + " is not made: member " + cmp.Or(old.member, "(gone)") + " streams through a slot of that name")
		return
	}
	old.To, old.used, old.permanent = max(old.To, w.To), old.used || w.used, old.permanent || w.permanent
}

// wish is the wanted slot of that name; nil if none is.
func (p *slotPlanner) wish(name string) *wantedSlot {
	for i := range p.want {
		if p.want[i].Name == name {
			return &p.want[i]
		}
	}
	return nil
}

func (p *slotPlanner) warn(text string) { p.plan.Warnings = append(p.plan.Warnings, text) }

// wanted are the wanted slots that are of interest, by name.
func (p *slotPlanner) wanted(of func(wantedSlot) bool) []wantedSlot {
	var list []wantedSlot
	for _, w := range p.want {
		if of(w) {
			list = append(list, w)
		}
	}
	slices.SortFunc(list, func(a, b wantedSlot) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// mayDrop reports that an unwanted or useless slot goes. Who streams is known
// only by a fresh view, and while there is a leader.
func (p *slotPlanner) mayDrop(s cluster.Slot) bool {
	return !s.Active && !p.Settings.Pause && p.readable() && p.Cluster.Leader != nil && !p.Settings.Slots.Ignores(s)
}

// useless reports that a slot has the wanted name but must be made anew.
func (p *slotPlanner) useless(s cluster.Slot, w *wantedSlot) bool {
	switch {
	case s.Lost, s.Type != w.Type:
		return true
	case s.Type == cluster.LogicalSlot:
		return s.Database != w.Database || s.Plugin != w.Plugin
	case s.RestartLSN == 0:
		return true
	}
	// Nobody will move on what such a slot holds back from vacuum; it is left
	// over from another role of the server. A leader keeps the slot of a
	// member that is gone: the WAL in it is what that member will need.
	return s.HoldsRows() && !w.used && (w.member != "" || !p.lead)
}

// drop removes what is not wanted, and what is to be made anew.
func (p *slotPlanner) drop(have []cluster.Slot) {
	for _, s := range have {
		if w := p.wish(s.Name); p.mayDrop(s) && (w == nil || p.useless(s, w)) {
			p.plan.Changes = append(p.plan.Changes, cluster.SlotChange{Verb: cluster.DropSlot, Name: s.Name, Type: s.Type, Database: s.Database, Plugin: s.Plugin})
		}
	}
}

// create makes what is missing, or has just been dropped.
func (p *slotPlanner) create(have []cluster.Slot) {
	dropped := p.plan.Changes
	for _, w := range p.wanted(func(w wantedSlot) bool {
		exists := slices.ContainsFunc(have, func(s cluster.Slot) bool { return s.Name == w.Name }) &&
			!slices.ContainsFunc(dropped, func(c cluster.SlotChange) bool { return c.Name == w.Name })
		return !exists && (w.Type == cluster.PhysicalSlot || !p.Instance.Standby)
	}) {
		c := w.SlotChange
		c.Verb, c.To = cluster.CreateSlot, 0
		p.plan.Changes = append(p.plan.Changes, c)
	}
}

// advance moves slots that nobody uses here to where they are on the leader.
func (p *slotPlanner) advance(have []cluster.Slot) {
	limit := p.Instance.WriteLSN
	if p.Instance.Standby {
		limit = p.Instance.ReplayLSN
	}
	for _, s := range have {
		w := p.wish(s.Name)
		if w == nil || s.Active || w.used || p.useless(s, w) || s.Position() == 0 {
			continue
		}
		to := min(w.To, limit)
		if to <= s.Position() {
			continue
		}
		if s.Type == cluster.LogicalSlot && !p.Instance.Standby {
			continue // its consumer moves it
		}
		c := w.SlotChange
		c.Verb, c.To = cluster.AdvanceSlot, to
		p.plan.Changes = append(p.plan.Changes, c)
	}
}

// publish tells the standbys where the slots are.
func (p *slotPlanner) publish(have []cluster.Slot) {
	if !p.lead {
		return
	}
	p.plan.Positions = map[string]cluster.LSN{}
	for _, s := range have {
		w := p.wish(s.Name)
		if w != nil && s.Type == w.Type && s.Position() != 0 && (p.retains() || w.permanent) {
			p.plan.Positions[s.Name] = s.Position()
		}
	}
	if p.retains() || p.permanent(p.own()) {
		p.plan.Positions[p.own()] = p.Instance.Position()
	}
	for slot := range p.plan.Memory.Seen {
		if p.retains() && !p.permanent(slot) {
			p.plan.Retain = append(p.plan.Retain, slot)
		}
	}
	slices.Sort(p.plan.Retain)
}

// permanent reports that an operator asked for a slot of that name.
func (p *slotPlanner) permanent(name string) bool {
	return slices.ContainsFunc(p.Settings.Slots.Named(), func(s cluster.PermanentSlot) bool { return s.Name == name })
}
