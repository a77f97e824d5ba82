package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestWhatTheTablesNameExists: test/README.md says what shows that a fault is
// survived. Each row names a test or a fault of the simulation that exists, or
// says what is not covered.
func TestWhatTheTablesNameExists(t *testing.T) {
	text := read(t, filepath.Join("..", "..", "test", "README.md"))
	faults := simulated(t)
	name := regexp.MustCompile("`([a-z0-9/]+)\\.(Test[A-Za-z0-9]+)`")
	fault := regexp.MustCompile("`fault: ([^`]+)`")
	row := regexp.MustCompile(`(?m)^\| ([0-9]+) \| ([^|]+) \| (.+) \|$`)
	var last, tables int
	for _, r := range row.FindAllStringSubmatch(text, -1) {
		number, err := strconv.Atoi(r[1])
		if err != nil {
			t.Fatal(err)
		}
		if number == 1 {
			last, tables = 0, tables+1
		}
		if number != last+1 {
			t.Errorf("row %d follows row %d", number, last)
		}
		last = number
		tests, injected := name.FindAllStringSubmatch(r[3], -1), fault.FindAllStringSubmatch(r[3], -1)
		for _, n := range tests {
			if !tested(t, n[1], n[2]) {
				t.Errorf("row %d, %s: there is no %s in %s", number, r[2], n[2], n[1])
			}
		}
		for _, f := range injected {
			if !faults[f[1]] {
				t.Errorf("row %d, %s: the simulation has no fault %q", number, r[2], f[1])
			}
		}
		if len(tests)+len(injected) == 0 && !strings.Contains(r[3], "*Not*") {
			t.Errorf("row %d, %s: nothing shows it, and it does not say so", number, r[2])
		}
	}
	if tables != 2 || last < 30 {
		t.Errorf("%d tables, the last of %d rows: the rows are not found", tables, last)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tested reports whether a test of that folder has the name.
func tested(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(folder), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.Contains(read(t, f), "\nfunc "+name+"(t *testing.T)") {
			return true
		}
	}
	return false
}

// simulated are the names of the simulation's faults.
func simulated(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "test", "sim", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	entry := regexp.MustCompile(`(?m)^\t\t\{"([^"]+)", [0-9]+, func\(`)
	for _, f := range files {
		for _, m := range entry.FindAllStringSubmatch(read(t, f), -1) {
			names[m[1]] = true
		}
	}
	return names
}
