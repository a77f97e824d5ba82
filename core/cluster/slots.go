package cluster

// SlotType is what a replication slot serves.
type SlotType string

// The types, in pg_replication_slots' words.
const (
	PhysicalSlot SlotType = "physical"
	LogicalSlot  SlotType = "logical"
)

// Slot is one replication slot of a server, as in pg_replication_slots.
type Slot struct {
	Name string
	Type SlotType
	// Database and Plugin are a logical slot's.
	Database string
	Plugin   string
	// Active means that somebody uses it now. It cannot be dropped then.
	Active bool
	// Xmin and CatalogXmin are the oldest transactions whose rows, and whose
	// catalog rows, vacuum must leave for it; 0: none. They wrap around.
	Xmin        uint32
	CatalogXmin uint32
	// RestartLSN is the oldest WAL that is kept for it, 0 if it has reserved
	// none.
	RestartLSN LSN
	// ConfirmedLSN is what the consumer of a logical slot has confirmed.
	ConfirmedLSN LSN
	// Lost means that WAL which it needs is gone: it is of no use any more.
	Lost bool
}

// Position is what the status key says of the slot: the confirmed position of
// a logical one, the oldest kept WAL of a physical one; 0 if there is none.
func (s Slot) Position() LSN {
	if s.Type == LogicalSlot {
		return s.ConfirmedLSN
	}
	return s.RestartLSN
}

// HoldsRows reports that vacuum leaves rows for the slot.
func (s Slot) HoldsRows() bool { return s.Xmin != 0 || s.CatalogXmin != 0 }

// SlotVerb is what is done to a replication slot.
type SlotVerb string

// The verbs.
const (
	DropSlot    SlotVerb = "drop"
	CreateSlot  SlotVerb = "create"
	AdvanceSlot SlotVerb = "advance"
)

// SlotChange is one change to a server's replication slots.
type SlotChange struct {
	Verb SlotVerb
	Name string
	Type SlotType
	// Database and Plugin are for logical slots.
	Database string
	Plugin   string
	// To is for AdvanceSlot.
	To LSN
}

// PermanentSlot is a replication slot that an operator asked for: it exists
// on every node that may lead, and survives a failover.
type PermanentSlot struct {
	Name string
	Type SlotType
	// Database and Plugin are for logical slots, and set for all of them.
	Database string
	Plugin   string
	// Cluster is "primary" or "standby" if the slot is for one of the two
	// kinds of clusters only.
	Cluster string
}

// SlotMatch describes slots of others that are left alone. What is empty is
// not compared.
type SlotMatch struct {
	Name     string
	Type     SlotType
	Database string
	Plugin   string
}

// Matches reports that every given property is the slot's.
func (m SlotMatch) Matches(s Slot) bool {
	same := func(want, have string) bool { return want == "" || want == have }
	return same(m.Name, s.Name) && same(string(m.Type), string(s.Type)) && same(m.Database, s.Database) && same(m.Plugin, s.Plugin)
}

// SlotSettings are the dynamic settings about replication slots of others
// than the members. Of a nil value all are empty.
type SlotSettings struct {
	// Permanent is sorted as written. Only slots of this kind of cluster are
	// in it, and in a standby cluster none that are logical.
	Permanent []PermanentSlot
	Ignore    []SlotMatch
}

// Logical reports that there are permanent logical slots.
func (s *SlotSettings) Logical() bool {
	if s == nil {
		return false
	}
	for _, p := range s.Permanent {
		if p.Type == LogicalSlot {
			return true
		}
	}
	return false
}

// Ignores reports that the slot belongs to somebody else.
func (s *SlotSettings) Ignores(slot Slot) bool {
	if s == nil {
		return false
	}
	for _, m := range s.Ignore {
		if m.Matches(slot) {
			return true
		}
	}
	return false
}

// Named returns the permanent slots; none of a nil value.
func (s *SlotSettings) Named() []PermanentSlot {
	if s == nil {
		return nil
	}
	return s.Permanent
}
