package cluster

import (
	"reflect"
	"strings"
	"testing"
)

func TestSlotSettings(t *testing.T) {
	logical := PermanentSlot{Name: "l", Type: LogicalSlot, Database: "d", Plugin: "p"}
	physical := func(name string) PermanentSlot { return PermanentSlot{Name: name, Type: PhysicalSlot} }
	for text, tc := range map[string]struct {
		want    *SlotSettings
		warning string
	}{
		`{}`:                          {nil, ""},
		`{"slots":{}}`:                {nil, ""},
		`{"slots":null}`:              {nil, ""},
		`{"ignore_slots":[]}`:         {nil, ""},
		`{"slots":{"b":null,"a":{}}}`: {&SlotSettings{Permanent: []PermanentSlot{physical("b"), physical("a")}}, ""},
		`{"slots":{"l":{"type":"logical","database":"d","plugin":"p"}}}`:                              {&SlotSettings{Permanent: []PermanentSlot{logical}}, ""},
		`{"slots":{"l":{"database":"d","plugin":"p"}}}`:                                               {&SlotSettings{Permanent: []PermanentSlot{logical}}, ""},
		`{"slots":{"x":{"type":"physical","database":"d"}}}`:                                          {&SlotSettings{Permanent: []PermanentSlot{physical("x")}}, ""},
		`{"slots":{"l":{"type":"logical","plugin":"p"}}}`:                                             {nil, "slots.l: a logical slot needs database"},
		`{"slots":{"x":{"type":"temporary"}}}`:                                                        {nil, `type "temporary" is neither`},
		`{"slots":{"X":null}}`:                                                                        {nil, "slots.X: a slot name has"},
		`{"slots":{"x":5}}`:                                                                           {nil, "slots.x: must be a map or null"},
		`{"slots":[1]}`:                                                                               {nil, "slots: must be a map of names"},
		`{"slots":{"x":{"cluster_type":"both"}}}`:                                                     {nil, `cluster_type "both"`},
		`{"permanent_slots":{"a":null},"slots":{"b":null}}`:                                           {&SlotSettings{Permanent: []PermanentSlot{physical("a")}}, ""},
		`{"permanent_replication_slots":{"a":null},"permanent_slots":{"b":null}}`:                     {&SlotSettings{Permanent: []PermanentSlot{physical("a")}}, ""},
		`{"permanent_slots":{},"slots":{"b":null}}`:                                                   {&SlotSettings{Permanent: []PermanentSlot{physical("b")}}, ""},
		`{"slots":{"a":{"cluster_type":"primary"},"b":{"cluster_type":"standby"}}}`:                   {&SlotSettings{Permanent: []PermanentSlot{{Name: "a", Type: PhysicalSlot, Cluster: "primary"}}}, ""},
		`{"standby_cluster":{"host":"h"},"slots":{"a":{"cluster_type":"primary"},"b":null}}`:          {&SlotSettings{Permanent: []PermanentSlot{physical("b")}}, ""},
		`{"standby_cluster":{"host":""},"slots":{"a":{"cluster_type":"standby"},"b":null}}`:           {&SlotSettings{Permanent: []PermanentSlot{physical("b")}}, ""},
		`{"standby_cluster":{"restore_command":"r"},"slots":{"l":{"database":"d","plugin":"p"}}}`:     {nil, ""},
		`{"ignore_slots":[{"name":"n"},{"type":"logical","database":"d","plugin":"p","other":1},{}]}`: {&SlotSettings{Ignore: []SlotMatch{{Name: "n"}, {Type: LogicalSlot, Database: "d", Plugin: "p"}, {}}}, ""},
		`{"ignore_slots":["n",{"name":"n"}]}`:                                                         {&SlotSettings{Ignore: []SlotMatch{{Name: "n"}}}, "entry 1 is not a map"},
		`{"ignore_slots":{"name":"n"}}`:                                                               {nil, "ignore_slots: must be a list"},
	} {
		s, warnings := ParseSettings(object(t, text))
		if !reflect.DeepEqual(s.Slots, tc.want) {
			t.Errorf("%s: got %+v", text, s.Slots)
		}
		if got := strings.Join(warnings, "; "); !strings.Contains(got, tc.warning) || (tc.warning == "") != (got == "") {
			t.Errorf("%s: got %q, want %q", text, got, tc.warning)
		}
	}
	long := strings.Repeat("x", 64)
	if validSlotName(long) || !validSlotName(long[:63]) {
		t.Error("the limit is 63 letters")
	}
}

func TestSlotMatch(t *testing.T) {
	s := Slot{Name: "n", Type: LogicalSlot, Database: "d", Plugin: "p"}
	for _, m := range []SlotMatch{{}, {Name: "n"}, {Type: LogicalSlot, Plugin: "p"}, {Name: "n", Type: LogicalSlot, Database: "d", Plugin: "p"}} {
		if !m.Matches(s) {
			t.Errorf("%+v does not match", m)
		}
	}
	for _, m := range []SlotMatch{{Name: "x"}, {Type: PhysicalSlot}, {Name: "n", Database: "x"}, {Name: "n", Type: LogicalSlot, Database: "d", Plugin: "x"}} {
		if m.Matches(s) {
			t.Errorf("%+v matches", m)
		}
	}
	var none *SlotSettings
	if none.Ignores(s) || none.Logical() || none.Named() != nil {
		t.Error("nil settings have something")
	}
}
