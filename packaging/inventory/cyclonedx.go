package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// The types are the part of CycloneDX 1.5 (ECMA-424) that says which modules
// are in a program.
type bom struct {
	Format       string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	SerialNumber string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl"`
	Licences   []licence  `json:"licenses,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type licence struct {
	Licence licenceID `json:"license"`
}

type licenceID struct {
	ID string `json:"id"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref  string   `json:"ref"`
	Deps []string `json:"dependsOn"`
}

// own is our module's name without a version.
const own = "github.com/pgregent/pgregent"

// newBOM lists mods as parts of our program at that version. The serial number
// follows from the content, so that the same build has the same.
func newBOM(version string, at time.Time, mods []module, licences map[string][]string) bom {
	root := component{Type: "application", Name: "pgregent", Version: version, PURL: "pkg:golang/" + own + "@" + version, Licences: licencesOf([]string{"Apache-2.0"})}
	root.Ref = root.PURL
	b := bom{Format: "CycloneDX", SpecVersion: "1.5", Version: 1, Metadata: metadata{Timestamp: at.UTC().Format(time.RFC3339), Component: root}}
	all := dependency{Ref: root.Ref, Deps: []string{}}
	hash := sha256.New()
	fmt.Fprintln(hash, version)
	for _, m := range mods {
		c := component{Type: "library", Ref: m.purl(), Name: m.Path, Version: m.Version, PURL: m.purl(), Licences: licencesOf(licences[m.Path])}
		if m.Sum != "" {
			c.Properties = []property{{"go:sum", m.Sum}}
		}
		b.Components = append(b.Components, c)
		all.Deps = append(all.Deps, c.Ref)
		fmt.Fprintln(hash, m.Path, m.Version, m.Sum)
	}
	b.Dependencies = []dependency{all}
	id := hash.Sum(nil)[:16]
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // RFC 9562: version 8, made by the vendor's own rule
	b.SerialNumber = fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	return b
}

func licencesOf(ids []string) []licence {
	var out []licence
	for _, id := range ids {
		out = append(out, licence{licenceID{id}})
	}
	return out
}

func (b bom) write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(b)
}
