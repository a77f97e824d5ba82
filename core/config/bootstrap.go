package config

import (
	"cmp"
	"slices"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// bootstrap reads the bootstrap section; nil if it is absent or empty.
func (d *document) bootstrap() *Bootstrap {
	o, _ := d.root.Get("bootstrap").(*cluster.Object)
	if o.Len() == 0 {
		return nil
	}
	b := &Bootstrap{
		DCS:           o.Object("dcs"),
		PgHba:         textItems(o.Get("pg_hba")),
		PostBootstrap: cmp.Or(d.text("bootstrap.post_bootstrap"), d.text("bootstrap.post_init")),
	}
	if b.DCS == nil {
		b.DCS = &cluster.Object{}
		d.report(Warning, "bootstrap.dcs", nil, "is not set: a new cluster starts with the default settings")
	}
	b.DCS = b.DCS.Clone()
	var refused []string
	b.Initdb, refused = parseOptions(o.Get("initdb"), forbiddenInitdb)
	for _, name := range refused {
		d.report(Error, "bootstrap.initdb", name, "is set by the agent and not allowed here")
	}
	b.Method = d.bootstrapMethod(o)
	d.checkSettings(b.DCS)
	return b
}

// checkSettings tells which of the first dynamic settings would be replaced.
// They are warnings, not errors: once the cluster exists they have no effect.
func (d *document) checkSettings(dcs *cluster.Object) {
	_, warnings := cluster.ParseSettings(dcs)
	for _, w := range warnings {
		key, message, ok := strings.Cut(w, ": ")
		path := "bootstrap.dcs." + key
		if nested := "bootstrap.dcs.postgresql." + key; d.lookup(path) == nil && d.lookup(nested) != nil {
			path = nested
		}
		if !ok || strings.Contains(key, " ") {
			path, message = "bootstrap.dcs", w
		}
		d.replaceFinding(path, message)
	}
}

// replaceFinding adds a warning about path, in place of one that says less:
// what is allowed, but not what is used instead.
func (d *document) replaceFinding(path, message string) {
	pos := d.where[path]
	f := Finding{Severity: Warning, File: cmp.Or(pos.file, d.name), Line: pos.line, Key: path, Message: message}
	i := slices.IndexFunc(d.findings, func(old Finding) bool { return old.Key == path })
	switch {
	case i < 0:
		d.findings = append(d.findings, f)
	case d.findings[i].Severity == Warning:
		d.findings[i] = f
	}
}
