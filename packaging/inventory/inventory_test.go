package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestClassify(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"Apache":              {"  Apache License\n   Version 2.0, January 2004", "Apache-2.0"},
		"MIT over line ends":  {"Permission is hereby\ngranted, free of charge, to any person ... The above copyright notice and\nthis permission notice shall be", "MIT"},
		"BSD with three":      {"Redistributions of source code ... Redistributions in binary form ... Neither the name of", "BSD-3-Clause"},
		"BSD with two":        {"Redistributions of source code ... Redistributions in binary form", "BSD-2-Clause"},
		"Mozilla":             {"Mozilla Public License, version 2.0", "MPL-2.0"},
		"GPL is not in it":    {"GNU GENERAL PUBLIC LICENSE Version 3", ""},
		"nothing at all":      {"", ""},
		"only half of a mark": {"Permission is hereby granted, free of charge", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := classify(tt.text); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestModuleDirectoryInTheCache(t *testing.T) {
	m := module{Path: "github.com/BurntSushi/toml", Version: "v1.0.0"}
	if got, want := m.dir("/c", "/go"), "/c/github.com/!burnt!sushi/toml@v1.0.0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := (module{Path: standard}).dir("/c", "/go"); got != "/go" {
		t.Errorf("standard library: got %s", got)
	}
}

func TestModuleWithoutPermittedLicence(t *testing.T) {
	cache := t.TempDir()
	mods := []module{{Path: "example.com/none", Version: "v1.0.0"}, {Path: "example.com/gpl", Version: "v1.0.0"}}
	for i, content := range []string{"", "GNU GENERAL PUBLIC LICENSE"} {
		dir := mods[i].dir(cache, "")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if content == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "LICENSE"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := licencesByModule(mods, cache, "")
	if !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, errNotPermitted) {
		t.Errorf("got %v, want both modules refused", err)
	}
}

// This very test is a program with build information.
func TestModulesOfARealBinary(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	mods, err := modules([]string{self, self})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, m := range mods {
		if m.Path == standard && m.Version != "" {
			found++
		}
	}
	if found != 1 {
		t.Errorf("standard library listed %d times in %v, want once", found, mods)
	}
}

func TestBOMIsAFunctionOfItsContent(t *testing.T) {
	at := time.Unix(1, 0)
	mods := []module{{"example.com/a", "v1.0.0", "h1:x"}, {standard, "1.26.0", ""}}
	text := func(mods []module) []byte {
		var b bytes.Buffer
		if err := newBOM("1.0", at, mods, map[string][]string{"example.com/a": {"MIT"}}).write(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	first := text(mods)
	if !bytes.Equal(first, text(mods)) {
		t.Error("the same content gave another document")
	}
	var got, other bom
	if err := json.Unmarshal(first, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text(mods[:1]), &other); err != nil {
		t.Fatal(err)
	}
	if got.SerialNumber == other.SerialNumber {
		t.Error("other content has the same serial number")
	}
	if len(got.Components) != 2 || len(got.Dependencies[0].Deps) != 2 || got.Components[0].Licences[0].Licence.ID != "MIT" {
		t.Errorf("got %+v", got)
	}
}
