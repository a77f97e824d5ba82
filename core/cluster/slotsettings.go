package cluster

import (
	"fmt"
	"strings"
)

// maxSlotName is NAMEDATALEN - 1.
const maxSlotName = 63

// validSlotName reports that the server accepts a slot of that name.
func validSlotName(name string) bool {
	return name != "" && len(name) <= maxSlotName && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// slotSettings reads the keys about replication slots; nil if there is
// nothing in them. Entries that cannot be used are skipped with a warning.
func (p *settingsParser) slotSettings() *SlotSettings {
	s := &SlotSettings{Ignore: p.ignoredSlots()}
	standby := IsStandbyCluster(p.o)
	for _, key := range []string{"permanent_replication_slots", "permanent_slots", "slots"} {
		v := p.o.Get(key)
		if !Truthy(v) {
			continue
		}
		o, ok := v.(*Object)
		if !ok {
			p.warn("%s: must be a map of names; it is not used", key)
			continue
		}
		for name, entry := range o.All() {
			slot, why := permanentSlot(name, entry)
			switch {
			case why != "":
				p.warn("%s.%s: %s; the slot is not used", key, name, why)
			case slot.Cluster == "primary" && standby, slot.Cluster == "standby" && !standby, slot.Type == LogicalSlot && standby:
			default:
				s.Permanent = append(s.Permanent, slot)
			}
		}
		break
	}
	if len(s.Permanent) == 0 && len(s.Ignore) == 0 {
		return nil
	}
	return s
}

// permanentSlot reads one entry, or says why it cannot be used. Without a
// type, a slot with database and plugin is logical.
func permanentSlot(name string, v any) (slot PermanentSlot, why string) {
	slot = PermanentSlot{Name: name, Type: PhysicalSlot}
	if !validSlotName(name) {
		return slot, "a slot name has 1 to 63 lower-case letters, digits and underscores"
	}
	if v == nil {
		return slot, ""
	}
	o, ok := v.(*Object)
	if !ok {
		return slot, "must be a map or null"
	}
	text := func(key string) string {
		if v := o.Get(key); Truthy(v) {
			return Text(v)
		}
		return ""
	}
	slot.Database, slot.Plugin = text("database"), text("plugin")
	switch kind := text("type"); {
	case kind == string(LogicalSlot), kind == "" && slot.Database != "" && slot.Plugin != "":
		slot.Type = LogicalSlot
		if slot.Database == "" || slot.Plugin == "" {
			return slot, "a logical slot needs database and plugin"
		}
	case kind == string(PhysicalSlot), kind == "":
		slot.Database, slot.Plugin = "", ""
	default:
		return slot, fmt.Sprintf("type %q is neither physical nor logical", kind)
	}
	slot.Cluster = text("cluster_type")
	if slot.Cluster != "" && slot.Cluster != "primary" && slot.Cluster != "standby" {
		return slot, fmt.Sprintf("cluster_type %q is neither primary nor standby", slot.Cluster)
	}
	return slot, ""
}

// ignoredSlots reads ignore_slots.
func (p *settingsParser) ignoredSlots() []SlotMatch {
	v := p.o.Get("ignore_slots")
	if !Truthy(v) {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		p.warn("ignore_slots: must be a list; it is not used")
		return nil
	}
	var out []SlotMatch
	for i, entry := range list {
		o, ok := entry.(*Object)
		if !ok {
			p.warn("ignore_slots: entry %d is not a map; it is not used", i+1)
			continue
		}
		text := func(key string) string {
			if v := o.Get(key); v != nil {
				return Text(v)
			}
			return ""
		}
		out = append(out, SlotMatch{Name: text("name"), Type: SlotType(text("type")), Database: text("database"), Plugin: text("plugin")})
	}
	return out
}
