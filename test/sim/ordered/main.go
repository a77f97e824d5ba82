package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// edit replaces every from of one file of the Go installation. within, if set,
// is the beginning of the function that it is confined to.
type edit struct{ file, within, from, to string }

func edits() []edit {
	return []edit{
		{"runtime/select.go", "", "j := cheaprandn(uint32(norder + 1))", "j := norder"},
		{"runtime/time.go", "", "t.rand = cheaprand()", "orderedTimers++\n\t\t\tt.rand = orderedTimers"},
		{"runtime/time.go", "", "// less reports whether tw", "var orderedTimers uint32\n\n// less reports whether tw"},
		{"runtime/alg.go", "", "uintptr(bootstrapRand())", "uintptr(0x1234567890abcdef)+uintptr(i)"},
		{"runtime/alg.go", "", "= bootstrapRand()", "= 0x1234567890abcdef*uint64(i+1)"},
		{"runtime/proc.go", "func retake(", "preemptone(pp)", "_ = pp"},
		{"runtime/proc.go", "", "func wakep() {\n", "func wakep() {\n\tif gomaxprocs == 1 {\n\t\treturn\n\t}\n"},
		{"internal/runtime/maps/table.go", "", "it.entryOffset = rand()", "it.entryOffset = 0"},
		{"internal/runtime/maps/table.go", "", "it.dirOffset = rand()", "it.dirOffset = 0"},
		{"internal/runtime/maps/map.go", "", "uintptr(rand())", "uintptr(0x51ed270b)"},
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: ordered DIRECTORY")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "ordered:", err)
		os.Exit(1)
	}
}

// write makes dir/overlay.json and the files that it names.
func write(dir string) error {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("find the Go installation: %w", err)
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find %s: %w", dir, err)
	}
	replaced, err := replace(filepath.Join(strings.TrimSpace(string(root)), "src"), dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ordered: seeds reproduce only mostly with this Go:", err)
		replaced = nil
	}
	text, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return fmt.Errorf("write the overlay: %w", err)
	}
	return put(filepath.Join(dir, "overlay.json"), text)
}

// replace writes the changed files to dir, and maps those of source to them.
// They are not named as Go files: dir may lie in a module.
func replace(source, dir string) (map[string]string, error) {
	texts := map[string]string{}
	for _, e := range edits() {
		name := filepath.Join(source, filepath.FromSlash(e.file))
		if _, ok := texts[name]; !ok {
			text, err := os.ReadFile(name)
			if err != nil {
				return nil, fmt.Errorf("read the runtime: %w", err)
			}
			texts[name] = string(text)
		}
		changed, err := e.apply(texts[name])
		if err != nil {
			return nil, err
		}
		texts[name] = changed
	}
	replaced := map[string]string{}
	for name, text := range texts {
		into := filepath.Join(dir, strings.ReplaceAll(strings.TrimPrefix(name, source+"/"), "/", "_")+".txt")
		if err := put(into, []byte(text)); err != nil {
			return nil, err
		}
		replaced[name] = into
	}
	return replaced, nil
}

func (e edit) apply(text string) (string, error) {
	begin, end := 0, len(text)
	if e.within != "" {
		begin = strings.Index(text, e.within)
		if begin < 0 {
			return "", fmt.Errorf("%s has no %q", e.file, e.within)
		}
		end = begin + strings.Index(text[begin:], "\n}\n")
	}
	part := text[begin:end]
	if !strings.Contains(part, e.from) {
		return "", fmt.Errorf("%s has no %q", e.file, e.from)
	}
	return text[:begin] + strings.ReplaceAll(part, e.from, e.to) + text[end:], nil
}

// put writes a file only if it changes, so that the build cache serves.
func put(name string, text []byte) error {
	if old, err := os.ReadFile(name); err == nil && string(old) == string(text) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("write the overlay: %w", err)
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return fmt.Errorf("write the overlay: %w", err)
	}
	return nil
}
