package decide

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

func physical(name string, at cluster.LSN) cluster.Slot {
	return cluster.Slot{Name: name, Type: cluster.PhysicalSlot, RestartLSN: at}
}

func logical(name string, at cluster.LSN) cluster.Slot {
	return cluster.Slot{Name: name, Type: cluster.LogicalSlot, Database: "app", Plugin: "pgoutput", RestartLSN: at - 10, ConfirmedLSN: at, CatalogXmin: 700}
}

func with(s cluster.Slot, change func(*cluster.Slot)) cluster.Slot {
	change(&s)
	return s
}

func active(s *cluster.Slot) { s.Active = true }
func xmin(s *cluster.Slot)   { s.Xmin = 700 }

func permanent(v *View, slots ...cluster.PermanentSlot) {
	v.Settings.Slots = &cluster.SlotSettings{Permanent: slots}
}

var (
	cdc    = cluster.PermanentSlot{Name: "cdc", Type: cluster.LogicalSlot, Database: "app", Plugin: "pgoutput"}
	backup = cluster.PermanentSlot{Name: "backup", Type: cluster.PhysicalSlot}
)

// tagged gives a member of the view, or the node itself, one tag.
func tagged(v *View, name, key string, value any) {
	o := &cluster.Object{}
	o.Set(key, value)
	if name == v.Self {
		v.Tags = cluster.NewTags(o)
	}
	for i := range v.Cluster.Members {
		if v.Cluster.Members[i].Name == name {
			v.Cluster.Members[i].Data.Tags = cluster.NewTags(o)
		}
	}
}

// without removes a member.
func without(v *View, name string) {
	v.Cluster.Members = slices.DeleteFunc(v.Cluster.Members, func(m cluster.Member) bool { return m.Name == name })
}

func seen(slot string, ago time.Duration) SlotMemory {
	return SlotMemory{Seen: map[string]lease.Instant{slot: now.Add(-ago)}}
}

// told writes changes as "drop x, create y, advance z to 5".
func told(changes []cluster.SlotChange) string {
	var out []string
	for _, c := range changes {
		text := string(c.Verb) + " " + c.Name
		if c.To != 0 {
			text += fmt.Sprint(" to ", uint64(c.To))
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

type slotCase struct {
	name   string
	from   func() View
	with   func(*View)
	have   []cluster.Slot
	memory SlotMemory
	want   string
}

func memberSlotCases() []slotCase {
	bc := []cluster.Slot{physical("b", 4000), physical("c", 4000)}
	return []slotCase{
		{"leader makes a slot for each other member", healthy, nil, nil, SlotMemory{}, "create b, create c"},
		{"leader, all there", healthy, nil, bc, SlotMemory{}, ""},
		{"so does a standby that may lead", standbyOf, nil, nil, SlotMemory{}, "create b, create c"},
		{"a standby advances to the leader's positions", standbyOf, func(v *View) { v.Cluster.Status.Slots = map[string]cluster.LSN{"b": 4500, "c": 4000} }, bc, SlotMemory{}, "advance b to 4500"},
		{"but not further than it has replayed", standbyOf, func(v *View) { v.Cluster.Status.Slots = map[string]cluster.LSN{"b": 9000, "c": 3000} }, bc, SlotMemory{}, "advance b to 5000"},
		{"a leader does not advance those that stream from it", healthy, func(v *View) { v.Cluster.Status.Slots = map[string]cluster.LSN{"b": 4500} }, bc, SlotMemory{}, ""},
		{"also while the store is silent", standbyOf, func(v *View) { v.Cluster.Status.Slots, v.StoreErr = map[string]cluster.LSN{"b": 4500}, "silent" }, append(slices.Clone(bc), physical("x", 1)), SlotMemory{}, "advance b to 4500"},
		{"a used slot is not advanced", standbyOf, func(v *View) { v.Cluster.Status.Slots = map[string]cluster.LSN{"b": 4500} }, []cluster.Slot{with(bc[0], active), bc[1]}, SlotMemory{}, ""},
		{"a leader of an older release tells no positions", standbyOf, func(v *View) {
			v.Cluster.Members[1].Data.Version, v.Cluster.Members[2].Data.XLogLocation = "3.3.2", 4700
		}, bc, SlotMemory{}, "advance b to 5000, advance c to 4700"},
		{"nostream members have none", healthy, func(v *View) { tagged(v, "c", "nostream", true) }, []cluster.Slot{bc[0]}, SlotMemory{}, ""},
		{"and theirs is dropped", healthy, func(v *View) { tagged(v, "c", "nostream", true) }, bc, SlotMemory{}, "drop c"},
		{"a cascade streams from another: advanced to its own position", healthy, func(v *View) {
			tagged(v, "c", "replicatefrom", "b")
			v.Cluster.Members[2].Data.XLogLocation = 4800
		}, bc, SlotMemory{}, "advance c to 4800"},
		{"its upstream does not advance it", standbyOf, func(v *View) { tagged(v, "c", "replicatefrom", "a"); v.Cluster.Members[2].Data.XLogLocation = 4800 }, bc, SlotMemory{}, ""},
		{"a cascade of an absent member streams from the leader", healthy, func(v *View) { tagged(v, "c", "replicatefrom", "x") }, bc, SlotMemory{}, ""},
		{"replicatefrom of oneself is none", healthy, func(v *View) { tagged(v, "c", "replicatefrom", "c") }, bc, SlotMemory{}, ""},
		{"a nofailover node keeps only its cascades", standbyOf, func(v *View) { tagged(v, "a", "nofailover", true); tagged(v, "c", "replicatefrom", "a") }, bc, SlotMemory{}, "drop b"},
		{"a nofailover node that leads keeps all", healthy, func(v *View) { tagged(v, "a", "nofailover", true) }, bc, SlotMemory{}, ""},

		{"ttl 0: a leader keeps those that stream from it", healthy, func(v *View) { v.Settings.MemberSlotsTTL = 0; tagged(v, "c", "replicatefrom", "b") }, bc, SlotMemory{}, "drop c"},
		{"ttl 0: a standby keeps its cascades", standbyOf, func(v *View) { v.Settings.MemberSlotsTTL = 0; tagged(v, "c", "replicatefrom", "a") }, bc, SlotMemory{}, "drop b"},
		{"ttl 0: the leader does not stream from a standby", standbyOf, func(v *View) { v.Settings.MemberSlotsTTL = 0; tagged(v, "b", "replicatefrom", "a") }, nil, SlotMemory{}, ""},
		{"ttl 0: nothing is retained", healthy, func(v *View) { v.Settings.MemberSlotsTTL = 0; without(v, "c") }, bc, seen("c", 0), "drop c"},

		{"a gone member's slot stays for member_slots_ttl", healthy, func(v *View) { without(v, "c") }, bc, seen("c", 30*time.Minute-1), ""},
		{"and goes then", healthy, func(v *View) { without(v, "c") }, bc, seen("c", 30*time.Minute), "drop c"},
		{"a standby keeps what the leader retains", standbyOf, func(v *View) { without(v, "c"); v.Cluster.Status.RetainSlots = []string{"a", "c"} }, bc, SlotMemory{}, ""},
		{"and what it has seen itself, as the former leader", standbyOf, func(v *View) { without(v, "c") }, bc, seen("c", time.Minute), ""},
		{"a nofailover standby retains nothing for the leader", standbyOf, func(v *View) {
			tagged(v, "a", "nofailover", true)
			v.Cluster.Status.RetainSlots = []string{"b", "c"}
		}, bc, SlotMemory{}, "drop b, drop c"},
		{"a new leader goes on with what was retained", healthy, func(v *View) { without(v, "c"); v.Cluster.Status.RetainSlots = []string{"a", "c"} }, bc, SlotMemory{}, ""},
		{"also if the first plan was made before it led", healthy, func(v *View) { without(v, "c"); v.Cluster.Status.RetainSlots = []string{"c"} }, bc, SlotMemory{Epoch: 7}, ""},
		{"but not for ever", healthy, func(v *View) { without(v, "c"); v.Cluster.Status.RetainSlots = []string{"c"} }, bc, SlotMemory{Epoch: 7, Led: true}, "drop c"},
		{"a retained slot is made where it is missing", standbyOf, func(v *View) { v.Cluster.Status.RetainSlots = []string{"z"} }, bc, SlotMemory{}, "create z"},
	}
}

func dropCases() []slotCase {
	bc := []cluster.Slot{physical("b", 4000), physical("c", 4000)}
	have := func(more ...cluster.Slot) []cluster.Slot { return append(slices.Clone(bc), more...) }
	ignore := func(m cluster.SlotMatch) func(*View) {
		return func(v *View) {
			v.Settings.Slots = &cluster.SlotSettings{Ignore: []cluster.SlotMatch{{Name: "other"}, m}}
		}
	}
	return []slotCase{
		{"a foreign slot is dropped", healthy, nil, have(physical("x", 10)), SlotMemory{}, "drop x"},
		{"a foreign logical one too", standbyOf, nil, have(logical("x", 10)), SlotMemory{}, "drop x"},
		{"not while it is used", healthy, nil, have(with(physical("x", 10), active)), SlotMemory{}, ""},
		{"not in pause", healthy, func(v *View) { v.Settings.Pause = true }, have(physical("x", 10)), SlotMemory{}, ""},
		{"not while nobody leads", standbyOf, free, have(physical("x", 10)), SlotMemory{}, ""},
		{"nor ignored ones, by name", healthy, ignore(cluster.SlotMatch{Name: "x"}), have(physical("x", 10)), SlotMemory{}, ""},
		{"by type", healthy, ignore(cluster.SlotMatch{Type: cluster.LogicalSlot}), have(physical("x", 10), logical("y", 10)), SlotMemory{}, "drop x"},
		{"by plugin", healthy, ignore(cluster.SlotMatch{Plugin: "pgoutput"}), have(logical("y", 10)), SlotMemory{}, ""},
		{"by database and name, one differs", healthy, ignore(cluster.SlotMatch{Name: "y", Database: "db"}), have(logical("y", 10)), SlotMemory{}, "drop y"},
		{"own slot of another role", healthy, nil, have(physical("a", 10)), SlotMemory{}, "drop a"},

		{"left over xmin on a standby", standbyOf, nil, []cluster.Slot{with(bc[0], xmin), bc[1]}, SlotMemory{}, "drop b, create b"},
		{"also of the catalog", standbyOf, nil, []cluster.Slot{with(bc[0], func(s *cluster.Slot) { s.CatalogXmin = 9 }), bc[1]}, SlotMemory{}, "drop b, create b"},
		{"xmin of a standby that is away for a moment", healthy, nil, []cluster.Slot{with(bc[0], xmin), bc[1]}, SlotMemory{}, ""},
		{"xmin of a cascade on the leader", healthy, func(v *View) { tagged(v, "c", "replicatefrom", "b") }, []cluster.Slot{bc[0], with(bc[1], xmin)}, SlotMemory{}, "drop c, create c"},
		{"a gone member's WAL is worth its xmin", healthy, func(v *View) { without(v, "c") }, []cluster.Slot{bc[0], with(bc[1], xmin)}, seen("c", time.Minute), ""},
		{"xmin, in pause", standbyOf, func(v *View) { v.Settings.Pause = true }, []cluster.Slot{with(bc[0], xmin), bc[1]}, SlotMemory{}, ""},
		{"xmin, nobody leads", standbyOf, free, []cluster.Slot{with(bc[0], xmin), bc[1]}, SlotMemory{}, ""},
		{"without reserved WAL", healthy, nil, []cluster.Slot{physical("b", 0), bc[1]}, SlotMemory{}, "drop b, create b"},
		{"lost", healthy, nil, []cluster.Slot{with(bc[0], func(s *cluster.Slot) { s.Lost = true }), bc[1]}, SlotMemory{}, "drop b, create b"},
		{"of the wrong type", healthy, nil, []cluster.Slot{logical("b", 4000), bc[1]}, SlotMemory{}, "drop b, create b"},
		{"of the wrong type and used", healthy, nil, []cluster.Slot{with(logical("b", 4000), active), bc[1]}, SlotMemory{}, ""},
	}
}

func permanentCases() []slotCase {
	bc := []cluster.Slot{physical("b", 4000), physical("c", 4000)}
	have := func(more ...cluster.Slot) []cluster.Slot { return append(slices.Clone(bc), more...) }
	both := func(v *View) { permanent(v, cdc, backup) }
	at := func(v *View) {
		both(v)
		v.Cluster.Status.Slots = map[string]cluster.LSN{"cdc": 4600, "backup": 4700}
	}
	return []slotCase{
		{"a leader makes both types", healthy, both, bc, SlotMemory{}, "create backup, create cdc"},
		{"a standby makes physical ones", standbyOf, both, bc, SlotMemory{}, "create backup"},
		{"a nofailover node neither", standbyOf, func(v *View) { both(v); tagged(v, "a", "nofailover", true) }, nil, SlotMemory{}, ""},
		{"a standby advances both", standbyOf, at, have(physical("backup", 4000), logical("cdc", 4100)), SlotMemory{}, "advance backup to 4700, advance cdc to 4600"},
		{"a leader moves no logical slot", healthy, at, have(physical("backup", 4700), logical("cdc", 4100)), SlotMemory{}, ""},
		{"a nostream node has no logical ones", standbyOf, func(v *View) { both(v); tagged(v, "a", "nostream", true) }, have(logical("cdc", 4100)), SlotMemory{}, "drop cdc, create backup"},
		{"nor one behind such a node", standbyOf, func(v *View) {
			both(v)
			tagged(v, "a", "replicatefrom", "c")
			tagged(v, "c", "nostream", true)
		}, []cluster.Slot{bc[0], logical("cdc", 4100)}, SlotMemory{}, "drop cdc, create backup"},
		{"members that name each other", standbyOf, func(v *View) {
			both(v)
			tagged(v, "a", "replicatefrom", "c")
			tagged(v, "c", "replicatefrom", "a")
		}, have(physical("backup", 10), logical("cdc", 4100)), SlotMemory{}, ""},
		{"wrong plugin", healthy, both, have(physical("backup", 10), with(logical("cdc", 10), func(s *cluster.Slot) { s.Plugin = "wal2json" })), SlotMemory{}, "drop cdc, create cdc"},
		{"wrong database, on a standby", standbyOf, both, have(physical("backup", 10), with(logical("cdc", 10), func(s *cluster.Slot) { s.Database = "x" })), SlotMemory{}, "drop cdc"},
		{"xmin of an external standby stays on the leader", healthy, both, have(with(physical("backup", 10), xmin), logical("cdc", 10)), SlotMemory{}, ""},
		{"and goes on a standby", standbyOf, both, have(with(physical("backup", 10), xmin), logical("cdc", 10)), SlotMemory{}, "drop backup, create backup"},
		{"of a member, known by name", healthy, func(v *View) {
			permanent(v, cluster.PermanentSlot{Name: "c", Type: cluster.PhysicalSlot})
			without(v, "c")
		}, bc, SlotMemory{}, ""},
		{"of this node, not here", healthy, func(v *View) { permanent(v, cluster.PermanentSlot{Name: "a", Type: cluster.PhysicalSlot}) }, bc, SlotMemory{}, ""},
	}
}

func TestSlotPlans(t *testing.T) {
	for _, tc := range slices.Concat(memberSlotCases(), dropCases(), permanentCases()) {
		v := tc.from()
		if tc.with != nil {
			tc.with(&v)
		}
		p := PlanSlots(&v, tc.have, tc.memory)
		if got := told(p.Changes); got != tc.want || len(p.Warnings) > 0 {
			t.Errorf("%s: got %q, %q, want %q", tc.name, got, p.Warnings, tc.want)
		}
	}
}

func TestSlotChangesCarryAllThatIsNeeded(t *testing.T) {
	v := healthy()
	permanent(&v, cdc)
	want := cluster.SlotChange{Verb: cluster.CreateSlot, Name: "cdc", Type: cluster.LogicalSlot, Database: "app", Plugin: "pgoutput"}
	if got := PlanSlots(&v, nil, SlotMemory{}).Changes; !slices.Contains(got, want) {
		t.Errorf("got %+v", got)
	}
	v = standbyOf()
	permanent(&v, cdc)
	v.Cluster.Status.Slots = map[string]cluster.LSN{"cdc": 4600}
	want.Verb, want.To = cluster.AdvanceSlot, 4600
	if got := PlanSlots(&v, []cluster.Slot{logical("cdc", 4000)}, SlotMemory{}).Changes; !slices.Contains(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestSlotWarnings(t *testing.T) {
	for want, change := range map[string]func(*View){
		"members b-x and b.x share": func(v *View) { v.Cluster.Members[1].Name, v.Cluster.Members[2].Name = "b-x", "b.x" },
		"members a and A share":     func(v *View) { v.Cluster.Members[1].Name = "A" },
		"member c streams": func(v *View) {
			permanent(v, cluster.PermanentSlot{Name: "c", Type: cluster.LogicalSlot, Database: "d", Plugin: "p"})
		},
		"this member streams": func(v *View) {
			permanent(v, cluster.PermanentSlot{Name: "a", Type: cluster.LogicalSlot, Database: "d", Plugin: "p"})
		},
	} {
		v := healthy()
		change(&v)
		p := PlanSlots(&v, nil, SlotMemory{})
		if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], want) {
			t.Errorf("got %q, want %q", p.Warnings, want)
		}
		if slices.ContainsFunc(p.Changes, func(c cluster.SlotChange) bool { return c.Type == cluster.LogicalSlot }) {
			t.Errorf("%s: got %s", want, told(p.Changes))
		}
	}
}

func TestPublishedSlots(t *testing.T) {
	have := []cluster.Slot{physical("b", 4000), physical("c", 4100), physical("gone", 900), physical("foreign", 1), physical("backup", 70), logical("cdc", 80)}
	for name, tc := range map[string]struct {
		change func(*View)
		want   map[string]cluster.LSN
		retain []string
	}{
		"members, permanent ones, this node": {func(*View) {}, map[string]cluster.LSN{"a": 5000, "b": 4000, "c": 4100, "gone": 900, "backup": 70, "cdc": 80}, []string{"b", "c", "gone"}},
		"ttl 0: permanent ones":              {func(v *View) { v.Settings.MemberSlotsTTL = 0 }, map[string]cluster.LSN{"backup": 70, "cdc": 80}, nil},
		"ttl 0: this node, if permanent": {func(v *View) {
			v.Settings.MemberSlotsTTL = 0
			permanent(v, cluster.PermanentSlot{Name: "a", Type: cluster.PhysicalSlot})
		}, map[string]cluster.LSN{"a": 5000}, nil},
		"a member's permanent slot is not retained": {func(v *View) {
			permanent(v, cluster.PermanentSlot{Name: "b", Type: cluster.PhysicalSlot})
		}, map[string]cluster.LSN{"a": 5000, "b": 4000, "c": 4100, "gone": 900}, []string{"c", "gone"}},
	} {
		v := healthy()
		permanent(&v, cdc, backup)
		tc.change(&v)
		p := PlanSlots(&v, have, seen("gone", time.Minute))
		if !maps.Equal(p.Positions, tc.want) || !slices.Equal(p.Retain, tc.retain) {
			t.Errorf("%s: got %v, %v", name, p.Positions, p.Retain)
		}
	}
	if p := PlanSlots(new(standbyOf()), have, SlotMemory{}); p.Positions != nil || p.Retain != nil {
		t.Errorf("a standby publishes %v, %v", p.Positions, p.Retain)
	}
}

func TestSlotMemoryKeepsTime(t *testing.T) {
	v := healthy()
	without(&v, "c")
	v.Cluster.Status.RetainSlots = []string{"z", "c", "a"}
	m := PlanSlots(&v, nil, SlotMemory{Seen: map[string]lease.Instant{"b": 1, "c": now.Add(-time.Minute), "old": now.Add(-time.Hour)}}).Memory
	want := map[string]lease.Instant{"b": now, "c": now.Add(-time.Minute), "z": now}
	if !maps.Equal(m.Seen, want) || m.Epoch != 7 {
		t.Errorf("got %+v, want %v", m, want)
	}
	free(&v)
	v.Lease = lease.Lease{}
	m.Ready = map[string]bool{"cdc": true}
	if again := PlanSlots(&v, nil, m).Memory; again.Epoch != 7 || !reflect.DeepEqual(again.Ready, m.Ready) {
		t.Errorf("forgotten while nobody leads: %+v", again)
	}
}

func TestSlotsToCopy(t *testing.T) {
	proven := SlotMemory{Epoch: 8, Ready: map[string]bool{"cdc": true}, Floor: map[string]uint32{"cdc": 1}}
	for name, tc := range map[string]struct {
		change         func(*View)
		have           []cluster.Slot
		memory         SlotMemory
		copy, unproven string
	}{
		"missing here, there on the leader": {func(*View) {}, nil, proven, "cdc", "cdc"},
		"not yet there on the leader":       {func(v *View) { v.Cluster.Status.Slots = nil }, nil, proven, "", "cdc"},
		"here":                              {func(*View) {}, []cluster.Slot{logical("cdc", 10)}, proven, "", ""},
		"here, not proven":                  {func(*View) {}, []cluster.Slot{logical("cdc", 10)}, SlotMemory{}, "", "cdc"},
		"here, proven for another leader":   {func(v *View) { v.Cluster.Leader.Epoch = 9 }, []cluster.Slot{logical("cdc", 10)}, proven, "", "cdc"},
		"lost":                              {func(*View) {}, []cluster.Slot{with(logical("cdc", 10), func(s *cluster.Slot) { s.Lost = true })}, proven, "cdc", "cdc"},
		"of another plugin, used":           {func(*View) {}, []cluster.Slot{with(logical("cdc", 10), func(s *cluster.Slot) { s.Plugin, s.Active = "x", true })}, SlotMemory{}, "", "cdc"},
		"nobody leads":                      {free, nil, proven, "", "cdc"},
		"must never lead":                   {func(v *View) { tagged(v, "a", "nofailover", true) }, nil, proven, "", ""},
		"archive only":                      {func(v *View) { tagged(v, "a", "nostream", true) }, nil, proven, "", ""},
	} {
		v := standbyOf()
		permanent(&v, cdc)
		v.Cluster.Status.Slots = map[string]cluster.LSN{"cdc": 10}
		tc.change(&v)
		p := PlanSlots(&v, tc.have, tc.memory)
		if got := strings.Join(p.Copy, " "); got != tc.copy || strings.Join(p.Unproven, " ") != tc.unproven {
			t.Errorf("%s: copy %q, unproven %q, want %q, %q", name, got, p.Unproven, tc.copy, tc.unproven)
		}
		if tc.copy != "" && (p.Memory.Ready["cdc"] || len(p.Memory.Floor) > 0) {
			t.Errorf("%s: the next copy counts as proven", name)
		}
	}
}

func TestCopiesAreProven(t *testing.T) {
	v := standbyOf()
	own := func(xid uint32) []cluster.Slot {
		return []cluster.Slot{with(logical("cdc", 10), func(s *cluster.Slot) { s.CatalogXmin = xid }), physical("b", 1)}
	}
	leaders := func(mine, theirs uint32) []cluster.Slot {
		return []cluster.Slot{
			with(physical("a", 10), func(s *cluster.Slot) { s.CatalogXmin = mine }),
			with(physical("c", 10), func(s *cluster.Slot) { s.CatalogXmin = 1 }),
			with(logical("cdc", 10), func(s *cluster.Slot) { s.CatalogXmin = theirs }),
		}
	}
	m := SlotMemory{}
	for i, step := range []struct {
		own, mine, theirs uint32
		ready             bool
		floor             uint32
	}{
		{700, 0, 700, false, 0},     // the leader does not know of the copy
		{700, 690, 720, false, 720}, // now it keeps the rows; older than 720 may be gone
		{710, 700, 730, false, 720},
		{720, 710, 740, true, 720},
	} {
		m = m.Judge(&v, own(step.own), leaders(step.mine, step.theirs))
		if m.Ready["cdc"] != step.ready || m.Floor["cdc"] != step.floor {
			t.Errorf("step %d: got %+v", i, m)
		}
	}
	if m := (SlotMemory{}).Judge(&v, own(700), leaders(701, 700)); m.Ready["cdc"] {
		t.Error("proven by the needs of another copy")
	}
	if m := (SlotMemory{}).Judge(&v, own(3), leaders(1<<32-5, 2)); !m.Ready["cdc"] {
		t.Error("transaction ids wrap around")
	}
	tagged(&v, "a", "replicatefrom", "c")
	if m := (SlotMemory{}).Judge(&v, own(700), leaders(0, 700)); !m.Ready["cdc"] {
		t.Error("a cascade is known to the leader by its upstream's slot")
	}
}

func slotCopyCases() []testCase {
	missing := func(v *View) { v.CopySlots = []string{"cdc"} }
	return []testCase{
		{"logical slots to copy", standbyOf, missing, CopySlots, "copy-slots", "of leader b"},
		{"logical slots, another upstream comes first", standbyOf, func(v *View) { missing(v); v.FollowsTarget = false }, Follow, "follow", ""},
		{"logical slots, not compared yet", standbyOf, func(v *View) { missing(v); v.Divergence = cluster.DivergenceUnknown }, CheckDivergence, "check", ""},
		{"logical slots, in pause", standbyOf, func(v *View) { missing(v); v.Settings.Pause = true }, Wait, "paused", ""},
		{"logical slots, leader not ready", standbyOf, func(v *View) { missing(v); v.Cluster.Members[1].Data.State = cluster.StateStarting }, Wait, "standby", ""},
		{"logical slots, lock free", standbyOf, func(v *View) { missing(v); free(v) }, AskPeers, "race-ask", ""},
		{"logical slots, store silent", standbyOf, func(v *View) { missing(v); v.StoreErr = "silent" }, Wait, "store-unreadable", ""},
	}
}
