package cluster

import (
	"strings"
	"testing"
)

func TestShownAs(t *testing.T) {
	long := strings.Repeat("x", 70)
	for _, c := range []struct {
		name, shown string
		same        bool
	}{
		{"pg1", "pg1", true},
		{"pg1", "PG1", true},
		{"pg1", "pg2", false},
		{"pü", "p??", true},
		{"pü", `p\xc3\xbc`, true},
		{"pü", "p?", false},
		{"p?", "p?", true},
		{long, long[:63], true},
		{long, long[:62], false},
		{"", "", true},
		{"a", "", false},
	} {
		if got := ShownAs(c.name, c.shown); got != c.same {
			t.Errorf("%q shown as %q: got %v, want %v", c.name, c.shown, got, c.same)
		}
	}
	if !PlainName("it's 1 % name") || PlainName("ü") || PlainName(long) {
		t.Error("plain names are printable ASCII of 63 bytes at most")
	}
}
