package cluster

import (
	"slices"
	"testing"
)

func TestSyncNamesText(t *testing.T) {
	for _, tc := range []struct {
		names SyncNames
		want  string
	}{
		{SyncNames{}, ""},
		{NamesOf(false, 1, nil), ""},
		{NamesOf(false, 0, []string{"a"}), ""},
		{NamesOf(false, 1, []string{"a"}), "a"},
		{NamesOf(false, 9, []string{"b", "a"}), "2 (a,b)"},
		{NamesOf(true, 1, []string{"a"}), "ANY 1 (a)"},
		{NamesOf(true, 1, []string{"n-1", "any", `q"q`}), `ANY 1 ("any","n-1","q""q")`},
		{NamesOf(false, 1, []string{"1st"}), `"1st"`},
		{Blocking(false), NoStandby},
		{Blocking(true), "ANY 1 (" + NoStandby + ")"},
	} {
		if got := tc.names.String(); got != tc.want {
			t.Errorf("%+v: got %s, want %s", tc.names, got, tc.want)
		}
		back, err := ParseSyncNames(tc.want)
		if err != nil || !back.Equal(tc.names) {
			t.Errorf("%s read back: got %+v (%v), want %+v", tc.want, back, err, tc.names)
		}
	}
}

func TestParseSyncNames(t *testing.T) {
	for _, tc := range []struct {
		text  string
		any   bool
		num   int
		names []string
	}{
		{"*", false, 1, []string{"*"}},
		{" b , a ", false, 1, []string{"a", "b"}},
		{"FIRST 2 (a,\"B b\")", false, 2, []string{"B b", "a"}},
		{"2(a,b)", false, 2, []string{"a", "b"}},
		{"any 1 ( a )", true, 1, []string{"a"}},
		{`"("`, false, 1, []string{"("}},
		{"", false, 0, nil},
	} {
		got, err := ParseSyncNames(tc.text)
		if err != nil || got.Any != tc.any || got.Num != tc.num || !slices.Equal(got.Names, tc.names) {
			t.Errorf("%q: got %+v, %v", tc.text, got, err)
		}
	}
	for _, text := range []string{`"a`, "a,", ",a", "a b", "ANY (a)", "ANY 0 (a)", "2 (a", "FIRST x (a)", "(a)", "1 (a) b", "1 (a,(b))"} {
		if got, err := ParseSyncNames(text); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}

func FuzzParseSyncNames(f *testing.F) {
	f.Add("ANY 2 (a,\"b c\",*)")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSyncNames(text)
		if err != nil {
			return
		}
		back, err := ParseSyncNames(s.String())
		if s.Num <= len(s.Names) && (err != nil || !back.Equal(s)) {
			t.Errorf("%q: %+v became %+v (%v)", text, s, back, err)
		}
	})
}
