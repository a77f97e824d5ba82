package config

import (
	"strings"
	"testing"
	"unicode"

	"github.com/pgregent/pgregent/core/cluster"
)

func TestTableOfKeys(t *testing.T) {
	type place struct {
		path string
		in   Layer
	}
	seen := map[place]bool{}
	for k := range Keys() {
		for _, in := range []Layer{InFile, InStore} {
			if k.In != in && k.In != InBoth {
				continue
			}
			if seen[place{k.Path, in}] {
				t.Errorf("%s is in the table twice", k.Path)
			}
			seen[place{k.Path, in}] = true
		}
		if !strings.HasSuffix(k.Doc, ".") || !unicode.IsLetter(rune(k.Doc[0])) {
			t.Errorf("%s: %q is not a sentence", k.Path, k.Doc)
		}
		if k.Change == "" {
			t.Errorf("%s: it is not said what a change takes", k.Path)
		}
		if k.Default != "" && !k.shape.accepts(resolvePlain(k.Default)) {
			t.Errorf("%s: the default %q is not accepted: %s", k.Path, k.Default, k.shape.allowed())
		}
	}
}

// TestDefaultsOfTheTable compares the documented defaults with those that the
// code uses.
func TestDefaultsOfTheTable(t *testing.T) {
	dynamic := &cluster.Object{}
	for k := range Keys() {
		if k.In == InStore && k.Default != "" {
			o := dynamic
			parts := strings.Split(k.Path, ".")
			for _, part := range parts[:len(parts)-1] {
				if o.Object(part) == nil {
					o.Set(part, &cluster.Object{})
				}
				o = o.Object(part)
			}
			o.Set(parts[len(parts)-1], resolvePlain(k.Default))
		}
	}
	got, warnings := cluster.ParseSettings(dynamic)
	if want := cluster.DefaultSettings(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if len(warnings) > 0 && strings.Join(warnings, "") != `maximum_lag_on_syncnode: "-1" is below the minimum; 0 is used` {
		t.Errorf("the defaults are not accepted: %q", warnings)
	}
	file, _ := mustLoad(t, minimal)
	text := minimal
	for _, key := range []string{"namespace", "fence.mode", "fence.takeover_wait", "watchdog.mode", "watchdog.device", "watchdog.safety_margin"} {
		k := keyOf(t, key)
		section, name, nested := strings.Cut(key, ".")
		if !nested {
			text += section + ": " + k.Default + "\n"
			continue
		}
		if !strings.Contains(text, "\n"+section+":\n") {
			text += section + ":\n"
		}
		text = strings.Replace(text, "\n"+section+":\n", "\n"+section+":\n  "+name+": \""+k.Default+"\"\n", 1)
	}
	explicit, findings := mustLoad(t, text)
	if len(findings) > 0 || explicit.Namespace != file.Namespace || explicit.Fence != file.Fence || explicit.Watchdog != file.Watchdog {
		t.Errorf("the documented defaults differ from the ones in use: %v\n%s", findings, text)
	}
}

func keyOf(t *testing.T, path string) Key {
	t.Helper()
	for k := range Keys() {
		if k.Path == path {
			return k
		}
	}
	t.Fatalf("no key %s", path)
	return Key{}
}

// TestVariablesSetKnownKeys: each variable leads to a key of the table.
func TestVariablesSetKnownKeys(t *testing.T) {
	schema := newSchema()
	for _, prefix := range []string{patroniPrefix, nativePrefix} {
		for name, v := range variables(prefix) {
			if schema.find(v.path) == nil {
				t.Errorf("%s%s sets %s, which is not a key", prefix, name, v.path)
			}
		}
	}
	if variables(nativePrefix)["WATCHDOG_MODE"].path != "watchdog.mode" || variables(patroniPrefix)["WATCHDOG_MODE"].path != "" {
		t.Error("only the native prefix has a variable for every key")
	}
}
