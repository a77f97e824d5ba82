package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// pkg is what "go list -json" tells of one package.
type pkg struct {
	ImportPath     string
	Dir            string
	Name           string
	Standard       bool
	GoFiles        []string
	CgoFiles       []string
	IgnoredGoFiles []string
	Imports        []string
	Deps           []string
}

// path is the package's folder in the module.
func (p pkg) path() string { return strings.TrimPrefix(p.ImportPath, module) }

// files are all Go files but tests, as absolute paths.
func (p pkg) files() []string {
	var out []string
	for _, list := range [][]string{p.GoFiles, p.CgoFiles, p.IgnoredGoFiles} {
		for _, name := range list {
			if !strings.HasSuffix(name, "_test.go") {
				out = append(out, filepath.Join(p.Dir, name))
			}
		}
	}
	return out
}

// tree is the module and everything that it needs.
type tree struct {
	ours []pkg
	// std has the import paths of the standard library that are in use.
	std map[string]bool
}

var list = sync.OnceValues(func() (tree, error) {
	gomod, err := goCommand("", "env", "GOMOD")
	if err != nil {
		return tree{}, err
	}
	root := filepath.Dir(strings.TrimSpace(string(gomod)))
	out, err := goCommand(root, "list", "-deps", "-json=ImportPath,Dir,Name,Standard,GoFiles,CgoFiles,IgnoredGoFiles,Imports,Deps", "./...")
	if err != nil {
		return tree{}, err
	}
	all := tree{std: map[string]bool{"C": true}}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return tree{}, fmt.Errorf("read go list: %w", err)
		}
		switch {
		case p.Standard:
			all.std[p.ImportPath] = true
		case under(p.ImportPath, strings.TrimSuffix(module, "/")):
			all.ours = append(all.ours, p)
		}
	}
})

func goCommand(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", args[0], err, stderr.Bytes())
	}
	return out, nil
}

// load lists the module, once for all tests.
func load(t *testing.T) tree {
	t.Helper()
	all, err := list()
	if err != nil {
		t.Fatal(err)
	}
	if len(all.ours) < 10 {
		t.Fatalf("only %d packages found", len(all.ours))
	}
	return all
}
