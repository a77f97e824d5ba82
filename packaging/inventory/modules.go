package main

import (
	"debug/buildinfo"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// standard is the name under which the standard library is listed, as the Go
// vulnerability database has it.
const standard = "stdlib"

// module is one dependency at one version. Sum is go.sum's hash; it is empty
// for the standard library.
type module struct{ Path, Version, Sum string }

// modules returns what the binaries are made of, without our own module,
// sorted by path and version.
func modules(binaries []string) ([]module, error) {
	var out []module
	for _, b := range binaries {
		info, err := buildinfo.ReadFile(b)
		if err != nil {
			return nil, fmt.Errorf("read build information of %s: %w", b, err)
		}
		out = append(out, module{Path: standard, Version: strings.TrimPrefix(info.GoVersion, "go")})
		for _, d := range info.Deps {
			if d.Replace != nil {
				d = d.Replace
			}
			out = append(out, module{d.Path, d.Version, d.Sum})
		}
	}
	slices.SortFunc(out, func(a, b module) int {
		return strings.Compare(a.Path+"@"+a.Version, b.Path+"@"+b.Version)
	})
	return slices.Compact(out), nil
}

// purl is the module's package URL.
func (m module) purl() string {
	if m.Path == standard {
		return "pkg:golang/" + standard + "@" + m.Version
	}
	return "pkg:golang/" + m.Path + "@" + m.Version
}

// dir is where the module's files are. The cache writes a capital letter as an
// exclamation mark and the small one.
func (m module) dir(modcache, goroot string) string {
	if m.Path == standard {
		return goroot
	}
	var b strings.Builder
	for _, r := range m.Path + "@" + m.Version {
		if unicode.IsUpper(r) {
			b.WriteByte('!')
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return filepath.Join(modcache, filepath.FromSlash(b.String()))
}
