package postgres

import "testing"

func TestUnits(t *testing.T) {
	for _, c := range []struct{ text, unit, shown string }{
		{"20MB", "8kB", "20MB"},
		{"16384", "8kB", "128MB"},
		{"131072kB", "8kB", "128MB"},
		{"1GB", "kB", "1GB"},
		{"7", "kB", "7kB"},
		{"300", "s", "5min"},
		{"5min", "s", "5min"},
		{"1500", "ms", "1500ms"},
		{"86400s", "ms", "1d"},
		{"-1", "ms", "-1"},
		{"0", "kB", "0"},
		{"100", "", "100"},
		{"1.5", "", "1.5"},
	} {
		n, ok := inUnits(c.text, c.unit)
		if got := withUnit(n, c.unit); !ok || got != c.shown {
			t.Errorf("%s of unit %q is shown as %q (%v), want %q", c.text, c.unit, got, ok, c.shown)
		}
	}
	for _, c := range [][2]string{{"x", "kB"}, {"1s", "kB"}, {"1XB", "kB"}, {"1MB", ""}, {"", "s"}} {
		if n, ok := inUnits(c[0], c[1]); ok {
			t.Errorf("%q of unit %q reads as %v", c[0], c[1], n)
		}
	}
}
