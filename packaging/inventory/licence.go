package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// text is one licence file of a module.
type text struct {
	name, content string
}

// licenceFiles match the names under which modules keep licences and notices.
var licenceFiles = []string{"LICENSE*", "LICENCE*", "License*", "COPYING*", "NOTICE*", "PATENTS*", "licenses/*"}

// texts reads the licence files of a module's directory.
func texts(dir string) ([]text, error) {
	var out []text
	for _, pattern := range licenceFiles {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, fmt.Errorf("look for licences: %w", err)
		}
		for _, p := range paths {
			info, err := os.Stat(p)
			if err != nil || info.IsDir() || strings.HasSuffix(p, ".go") {
				continue
			}
			content, err := os.ReadFile(p)
			if err != nil {
				return nil, fmt.Errorf("read licence: %w", err)
			}
			name, _ := filepath.Rel(dir, p) // both are absolute or both are not
			out = append(out, text{name, string(content)})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("find a licence in %s: %w", dir, fs.ErrNotExist)
	}
	return out, nil
}

// permitted are the licences, by SPDX identifier, whose terms an Apache-2.0
// program keeps by shipping their texts. marks are phrases that the text of
// that licence has, all of them; white space does not matter. The first match
// counts.
var permitted = []struct {
	id    string
	marks []string
}{
	{"Apache-2.0", []string{"Apache License", "Version 2.0"}},
	{"MPL-2.0", []string{"Mozilla Public License", "2.0"}},
	{"BSD-3-Clause", []string{"Redistributions in binary form", "Neither the name"}},
	{"BSD-3-Clause", []string{"Redistributions in binary form", "may not be used to endorse"}},
	{"BSD-2-Clause", []string{"Redistributions of source code", "Redistributions in binary form"}},
	{"MIT", []string{"Permission is hereby granted, free of charge", "The above copyright notice and this permission notice"}},
	{"ISC", []string{"Permission to use, copy, modify, and/or distribute this software for any purpose"}},
}

// classify names the licence of a text; "" if it is not a permitted one.
func classify(content string) string {
	words := strings.Join(strings.Fields(content), " ")
	for _, p := range permitted {
		if !slices.ContainsFunc(p.marks, func(mark string) bool { return !strings.Contains(words, mark) }) {
			return p.id
		}
	}
	return ""
}

// errNotPermitted means that a module's licence is not known to be fit.
var errNotPermitted = errors.New("no permitted licence")

// licencesByModule reads each module's texts and names their licences. A
// notice or patent grant need not be a licence of its own, but one file must.
func licencesByModule(mods []module, modcache, goroot string) (map[string][]text, map[string][]string, error) {
	all, ids := map[string][]text{}, map[string][]string{}
	var errs []error
	for _, m := range mods {
		found, err := texts(m.dir(modcache, goroot))
		if err != nil {
			errs = append(errs, fmt.Errorf("module %s: %w", m.Path, err))
			continue
		}
		all[m.Path] = found
		for _, t := range found {
			if id := classify(t.content); id != "" && !slices.Contains(ids[m.Path], id) {
				ids[m.Path] = append(ids[m.Path], id)
			}
		}
		if len(ids[m.Path]) == 0 {
			errs = append(errs, fmt.Errorf("module %s: %w", m.Path, errNotPermitted))
		}
	}
	return all, ids, errors.Join(errs...)
}

// writeLicences writes one chapter for each module.
func writeLicences(w io.Writer, mods []module, all map[string][]text, ids map[string][]string) error {
	rule := strings.Repeat("=", 78)
	if _, err := fmt.Fprintf(w, "pgregent is made of the following modules besides its own code.\n"); err != nil {
		return err
	}
	for _, m := range mods {
		if _, err := fmt.Fprintf(w, "\n%s\n%s %s (%s)\n%s\n", rule, m.Path, m.Version, strings.Join(ids[m.Path], ", "), rule); err != nil {
			return err
		}
		for _, t := range all[m.Path] {
			if _, err := fmt.Fprintf(w, "\n-- %s --\n\n%s\n", t.name, strings.TrimRight(t.content, "\n")); err != nil {
				return err
			}
		}
	}
	return nil
}
