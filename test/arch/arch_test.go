package arch

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func folderOf(path string) (folder, bool) {
	for _, f := range folders {
		if under(path, f.path) {
			return f, true
		}
	}
	return folder{}, false
}

func TestArrowsPointDown(t *testing.T) {
	for _, p := range load(t).ours {
		from, known := folderOf(p.path())
		if !known {
			t.Errorf("%s: no rule says what this folder may import; add a row to folders", p.path())
			continue
		}
		for _, imported := range p.Imports {
			to, ours := strings.CutPrefix(imported, module)
			if !ours {
				continue
			}
			// A subtree with a row of its own is another folder: plugins must
			// not import plugins/builtin.
			if f, _ := folderOf(to); f.path != from.path && !underAny(to, from.may) {
				t.Errorf("%s imports %s; it may import %v", p.path(), to, from.may)
			}
		}
	}
}

// What the folder rules are for, checked without them: no edge reaches
// another edge, not through third parties either.
func TestEdgesAreStrangers(t *testing.T) {
	edges := []string{"rest", "zkdcs", "plugins", "core/agent", "core/postgres", "observability"}
	for _, p := range load(t).ours {
		at := slices.IndexFunc(edges, func(e string) bool { return under(p.path(), e) })
		if at < 0 {
			continue
		}
		for _, dep := range p.Deps {
			to, ours := strings.CutPrefix(dep, module)
			other := slices.IndexFunc(edges, func(e string) bool { return under(to, e) })
			if ours && other >= 0 && other != at {
				t.Errorf("%s depends on %s", p.path(), to)
			}
		}
	}
}

func TestForeignModulesHaveOwners(t *testing.T) {
	for _, p := range load(t).ours {
		for foreign, who := range owners {
			if underAny(p.path(), who) {
				continue
			}
			if slices.ContainsFunc(p.Imports, func(i string) bool { return under(i, foreign) }) {
				t.Errorf("%s imports %s; only %v may", p.path(), foreign, who)
			}
			wires := under(p.path(), "cmd") || under(p.path(), "test")
			if !wires && slices.ContainsFunc(p.Deps, func(d string) bool { return under(d, foreign) }) {
				t.Errorf("%s depends on %s through others; only %v may", p.path(), foreign, who)
			}
		}
	}
}

func TestShippedCodeImportsNoTestHelpers(t *testing.T) {
	for _, p := range load(t).ours {
		if under(p.path(), "test") || underAny(p.path(), testHelpers) {
			continue
		}
		for _, i := range p.Imports {
			if i == "testing" || underAny(strings.TrimPrefix(i, module), testHelpers) {
				t.Errorf("%s imports %s", p.path(), i)
			}
		}
	}
}

// purePackages calls f for every package below the pure folders.
func purePackages(t *testing.T, f func(tree, pkg, pure)) {
	t.Helper()
	all := load(t)
	for _, rule := range pures {
		found := false
		for _, p := range all.ours {
			if under(p.path(), rule.path) {
				found = true
				f(all, p, rule)
			}
		}
		if !found {
			t.Errorf("%s: no such package", rule.path)
		}
	}
}

func TestPurePackagesUseTheStandardLibraryOnly(t *testing.T) {
	purePackages(t, func(all tree, p pkg, _ pure) {
		from, _ := folderOf(p.path())
		may := append([]string{from.path}, from.may...)
		for _, dep := range p.Deps {
			if !all.std[dep] && !underAny(strings.TrimPrefix(dep, module), may) {
				t.Errorf("%s depends on %s", p.path(), dep)
			}
		}
	})
}

// Only direct imports are looked at: every program depends on package os
// through fmt.
func TestPurePackagesDoNoIO(t *testing.T) {
	purePackages(t, func(_ tree, p pkg, rule pure) {
		for _, i := range p.Imports {
			if underAny(i, impure) && !underAny(i, harmless) && !slices.Contains(rule.may, i) {
				t.Errorf("%s imports %s", p.path(), i)
			}
		}
	})
}

func TestPurePackagesHaveNoClockAndNoGoroutines(t *testing.T) {
	purePackages(t, func(_ tree, p pkg, rule pure) {
		for _, name := range p.files() {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if what := effect(file, n, rule); what != "" {
					t.Errorf("%s: %s", fset.Position(n.Pos()), what)
				}
				return true
			})
		}
	})
}

// effect names what a node does that a pure package must not, or "".
func effect(file *ast.File, n ast.Node, rule pure) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "starts a goroutine"
	case *ast.SelectorExpr:
		x, ok := n.X.(*ast.Ident)
		switch {
		case !ok:
		case rule.noClock && x.Name == nameOf(file, "time") && clockFuncs[n.Sel.Name]:
			return "uses the clock: time." + n.Sel.Name
		case x.Name == nameOf(file, "fmt") && printFuncs[n.Sel.Name]:
			return "uses a standard stream: fmt." + n.Sel.Name
		}
	case *ast.CallExpr:
		if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "print" || id.Name == "println") {
			return "writes to the standard error"
		}
	}
	return ""
}

// nameOf is the name under which file knows the imported package, "" if it
// does not.
func nameOf(file *ast.File, path string) string {
	for _, i := range file.Imports {
		if p, err := strconv.Unquote(i.Path.Value); err != nil || p != path {
			continue
		}
		if i.Name != nil {
			return i.Name.Name
		}
		return path
	}
	return ""
}

func TestEveryPackageHasADoc(t *testing.T) {
	for _, p := range load(t).ours {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, "doc.go"), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Errorf("%s: %v", p.path(), err)
			continue
		}
		start := "Package " + p.Name + " "
		if p.Name == "main" {
			start = "Command " + filepath.Base(p.Dir) + " "
		}
		if !strings.HasPrefix(file.Doc.Text(), start) {
			t.Errorf("%s: the comment in doc.go does not start with %q", p.path(), start)
		}
	}
}

func TestFilesAreShort(t *testing.T) {
	for _, p := range load(t).ours {
		for _, name := range p.files() {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if generated := bytes.HasPrefix(text, []byte("// Code generated ")); generated {
				continue
			}
			if n := bytes.Count(text, []byte("\n")); n > maxLines {
				t.Errorf("%s has %d lines, at most %d are allowed", name, n, maxLines)
			}
		}
	}
}
