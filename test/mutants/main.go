package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// mutant is one deliberate bug: Old, which the file has exactly once, becomes
// New.
type mutant struct {
	name     string
	file     string
	old, new string
}

func main() {
	only := flag.String("only", "", "run the mutants whose name contains this")
	seeds := flag.Int("seeds", 60, "seeds of the simulation for each mutant that the unit tests do not notice")
	flag.Parse()
	survived, err := run(*only, *seeds)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
	if len(survived) > 0 {
		fmt.Println("not noticed:", strings.Join(survived, ", "))
		os.Exit(1)
	}
}

func run(only string, seeds int) (survived []string, err error) {
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	count := 0
	for _, m := range mutants() {
		if !strings.Contains(m.name, only) {
			continue
		}
		count++
		at := time.Now()
		overlay, err := m.overlay(dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		by, err := noticed(overlay, seeds)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		fmt.Printf("%-52s %-14s %v\n", m.name, by, time.Since(at).Round(time.Second/10))
		if by == nobody {
			survived = append(survived, m.name)
		}
	}
	fmt.Printf("%d mutants, %d not noticed\n", count, len(survived))
	return survived, nil
}

// overlay writes the broken file and what the go command needs to use it.
func (m mutant) overlay(dir string) (string, error) {
	text, err := os.ReadFile(m.file)
	if err != nil {
		return "", fmt.Errorf("read the file: %w", err)
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return "", fmt.Errorf("%s has %d places like %q, want one", m.file, n, m.old)
	}
	path, err := filepath.Abs(m.file)
	if err != nil {
		return "", fmt.Errorf("find the file: %w", err)
	}
	broken := filepath.Join(dir, "broken.go")
	if err := os.WriteFile(broken, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
		return "", fmt.Errorf("write the broken file: %w", err)
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: broken}})
	if err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	return overlay, nil
}

const nobody = "NOBODY"

// noticed runs the tests on the broken code and returns which of them fail.
func noticed(overlay string, seeds int) (string, error) {
	for _, suite := range []struct {
		name string
		args []string
	}{
		{"unit tests", []string{"./core/decide", "-rapid.nofailfile"}},
		{"unit tests", []string{"./core/lease", "./core/agent", "./core/cluster"}},
		{"simulation", []string{"./test/sim", "-seeds", strconv.Itoa(seeds)}},
	} {
		out, err := exec.Command("go", append([]string{"test", "-count=1", "-timeout", "3m", "-overlay", overlay}, suite.args...)...).CombinedOutput()
		_, failed := errors.AsType[*exec.ExitError](err)
		switch {
		case strings.Contains(string(out), "[build failed]") || strings.Contains(string(out), "[setup failed]"):
			return "", fmt.Errorf("a mutant must build:\n%s", out)
		case failed:
			return suite.name, nil
		case err != nil:
			return "", fmt.Errorf("run %s: %w", suite.name, err)
		}
	}
	return nobody, nil
}
