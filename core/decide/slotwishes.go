package decide

import (
	"slices"

	"github.com/pgregent/pgregent/core/cluster"
)

// wantMembers wants the slots of the other members that have a key.
func (p *slotPlanner) wantMembers() {
	for _, m := range p.Cluster.Members {
		if m.Name == p.Self || m.Data.Tags.NoStream() {
			continue
		}
		slot, used := cluster.SlotName(m.Name), p.streamsHere(m)
		if !used && (!p.retains() || !p.mayLead()) {
			continue
		}
		if slot == p.own() {
			p.warn("members " + p.Self + " and " + m.Name + " share the replication slot " + slot + "; rename one of them")
		}
		p.add(wantedSlot{
			SlotChange: cluster.SlotChange{Name: slot, Type: cluster.PhysicalSlot, To: p.memberPosition(m, slot)},
			member:     m.Name, used: used,
		})
		if p.retains() {
			p.plan.Memory.Seen[slot] = p.Now
		}
	}
}

// streamsHere reports that m is expected to stream from this node.
func (p *slotPlanner) streamsHere(m cluster.Member) bool {
	from := m.Data.Tags.ReplicateFrom()
	if from == m.Name {
		from = ""
	}
	if p.lead {
		return from == "" || from == p.Self || p.Cluster.Member(from) == nil
	}
	return from == p.Self && m.Name != p.leader()
}

// memberPosition is up to where a slot can be advanced that m does not stream
// through here. The leader's word counts, unless it cannot know: m streams
// from another member, or the leader is of a release that does not tell.
func (p *slotPlanner) memberPosition(m cluster.Member, slot string) cluster.LSN {
	to := p.Cluster.Status.Slots[slot]
	from := m.Data.Tags.ReplicateFrom()
	cascades := from != "" && from != m.Name && from != p.leader() && p.Cluster.Member(from) != nil
	if l := p.Cluster.LeaderMember(); cascades || (l != nil && l.Name != p.Self && l.Data.Before(tellsSlots, 0)) {
		to = max(to, m.Data.XLogLocation)
	}
	return to
}

// tellsSlots is the major version of the interface from which on a leader
// publishes the positions of its members' slots.
const tellsSlots = 4

// wantRetained wants the slots of members that were seen within
// member_slots_ttl, by this node or by the leader.
func (p *slotPlanner) wantRetained() {
	if !p.retains() {
		return
	}
	names := make([]string, 0, len(p.plan.Memory.Seen))
	for slot := range p.plan.Memory.Seen {
		names = append(names, slot)
	}
	if !p.lead && p.mayLead() {
		names = append(names, p.Cluster.Status.RetainSlots...)
	}
	slices.Sort(names)
	for _, slot := range slices.Compact(names) {
		if slot != p.own() && p.wish(slot) == nil {
			p.add(wantedSlot{SlotChange: cluster.SlotChange{Name: slot, Type: cluster.PhysicalSlot, To: p.Cluster.Status.Slots[slot]}})
		}
	}
}

// wantPermanent wants the slots that an operator asked for.
func (p *slotPlanner) wantPermanent() {
	if !p.mayLead() {
		return
	}
	for _, s := range p.Settings.Slots.Named() {
		w := wantedSlot{permanent: true, SlotChange: cluster.SlotChange{
			Name: s.Name, Type: s.Type, Database: s.Database, Plugin: s.Plugin, To: p.Cluster.Status.Slots[s.Name],
		}}
		switch {
		case s.Name == p.own() && s.Type == cluster.LogicalSlot:
			p.warn("the permanent logical slot " + s.Name + " is not made: this member streams through a slot of that name")
		case s.Name == p.own(): // of this node, on the others
		case s.Type == cluster.LogicalSlot && p.cutOff():
		default:
			p.add(w)
		}
	}
}

// cutOff reports that no stream leads from the leader to this node.
func (p *slotPlanner) cutOff() bool {
	if p.lead {
		return false
	}
	tags, name := p.Tags, p.Self
	for range len(p.Cluster.Members) + 1 { // tags may name each other
		if tags.NoStream() {
			return true
		}
		m := p.Cluster.Member(tags.ReplicateFrom())
		if m == nil || m.Name == name || m.Name == p.leader() {
			return false
		}
		tags, name = m.Data.Tags, m.Name
	}
	return false
}

// link is the slot on the leader through which this node's stream begins: its
// own, or that of the first member of a cascade.
func (p *slotPlanner) link() string {
	tags, name := p.Tags, p.Self
	for range len(p.Cluster.Members) {
		m := p.Cluster.Member(tags.ReplicateFrom())
		if m == nil || m.Name == name || m.Name == p.leader() {
			break
		}
		tags, name = m.Data.Tags, m.Name
	}
	return cluster.SlotName(name)
}
