package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Load reads the configuration at path, a file or a directory of *.yml and
// *.yaml files, merges the PATRONI_* and then the PGREGENT_* variables of
// environ ("NAME=value") over it, and checks it. If path does not exist (or
// is empty), the document in PATRONI_CONFIGURATION is read instead, or
// else the variables alone.
//
// findings are all that was found, warnings included. The error is an
// *InvalidError if the configuration was read and cannot be used; Local is nil
// then.
func Load(path string, environ []string) (*Local, []Finding, error) {
	local, findings, err := Examine(path, environ)
	if err != nil {
		return nil, nil, err
	}
	if !hasErrors(findings) {
		return local, findings, nil
	}
	bad := &InvalidError{}
	for _, f := range findings {
		if f.Severity == Error {
			bad.Findings = append(bad.Findings, f)
		}
	}
	return nil, findings, bad
}

// Examine is Load for who looks for further findings in a configuration that
// cannot be used: Local is nil only if not all of it could be read.
func Examine(path string, environ []string) (*Local, []Finding, error) {
	doc, err := readSources(path, environ)
	if err != nil {
		return nil, nil, err
	}
	var local *Local
	if !doc.unreadable { // after a syntax error everything else would be missing, too
		doc.checkKeys()
		local = doc.local(environ)
	}
	SortFindings(doc.findings)
	return local, doc.findings, nil
}

// SortFindings sorts by file and line.
func SortFindings(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}

func hasErrors(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Severity == Error })
}

// readSources returns the document with the environment merged over it.
func readSources(path string, environ []string) (*document, error) {
	doc, err := readPath(path)
	if errors.Is(err, fs.ErrNotExist) {
		for _, prefix := range []string{nativePrefix, patroniPrefix} {
			if text := environment(environ, prefix)["CONFIGURATION"]; text != "" {
				return parseYAML("$"+prefix+"CONFIGURATION", []byte(text)), nil
			}
		}
		doc = newDocument(path)
		if path != "" {
			doc.findings = append(doc.findings, Finding{
				Severity: Warning, File: path, Message: "does not exist; the environment alone is used",
			})
		}
	} else if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	doc.overlay(environ, patroniPrefix)
	doc.overlay(environ, nativePrefix)
	return doc, nil
}

// readPath reads a file, or the files of a directory in the order of their
// names, each patched over the previous ones.
func readPath(path string) (*document, error) {
	if path == "" {
		return nil, fs.ErrNotExist
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		return parseYAML(path, text), nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	doc := newDocument(path)
	for _, e := range entries {
		name := filepath.Join(path, e.Name())
		if !isConfigFile(name) {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		doc.patch(parseYAML(name, text))
	}
	return doc, nil
}

func isConfigFile(name string) bool {
	if !strings.HasSuffix(name, ".yml") && !strings.HasSuffix(name, ".yaml") {
		return false
	}
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// patch merges another file over d.
func (d *document) patch(other *document) {
	d.findings = append(d.findings, other.findings...)
	d.unreadable = d.unreadable || other.unreadable
	d.root.Patch(other.root)
	for path, pos := range other.where {
		d.where[path] = pos
	}
}
