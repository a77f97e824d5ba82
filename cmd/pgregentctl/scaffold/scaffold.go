package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
)

// The files end in .tmpl, or they would be parts of this module.
//
//go:embed *.tmpl
var templates embed.FS

// Plugin is what a new plugin's files are made of.
type Plugin struct {
	Name string
	// GoVersion is as in go.mod: 1.26.
	GoVersion string
	// Version is that of our module, as v1.2.3. Source is a directory that
	// takes its place; "" for none.
	Version, Source string
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

// Write makes the directory, which must not exist yet, with a Go module.
func Write(dir string, p Plugin) error {
	if !nameForm.MatchString(p.Name) {
		return fmt.Errorf("%q is no name of a plugin: it must be of lower-case letters, digits, - and _", p.Name)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s exists already", dir)
	}
	all, err := template.ParseFS(templates, "*.tmpl")
	if err != nil {
		return fmt.Errorf("read templates: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make directory of the plugin: %w", err)
	}
	for _, t := range all.Templates() {
		var text bytes.Buffer
		if err := t.Execute(&text, p); err != nil {
			return fmt.Errorf("write %s: %w", t.Name(), err)
		}
		if err := os.WriteFile(filepath.Join(dir, strings.TrimSuffix(t.Name(), ".tmpl")), text.Bytes(), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", t.Name(), err)
		}
	}
	return nil
}
