package config

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// Origin is the layer that set an effective value.
type Origin string

// The layers, from the weakest to the strongest, and values that follow from
// others.
const (
	FromDefault     Origin = "default"
	FromStore       Origin = "dynamic configuration"
	FromFile        Origin = "file"
	FromEnvironment Origin = "environment"
	FromAgent       Origin = "agent" // derived from other keys
)

// Setting is one effective value and where it comes from. Secrets are masked.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin Origin `json:"origin"`
	// File is the file, the variable as "$NAME", or what holds the dynamic
	// configuration; Line counts from 1, 0 if there is none.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Note says what else is to be known: a value that is overridden, or not
	// used as written.
	Note string `json:"note,omitempty"`
}

// Dynamic is a dynamic configuration and where it was read.
type Dynamic struct {
	Object *cluster.Object
	// Source is a file's name; "" for bootstrap.dcs of the local file.
	Source string
}

// Explain returns the effective settings with their origins, sorted by key:
// all that are set, and all that have a default. PostgreSQL's parameters are
// postgresql.parameters.<name>.
func (l *Local) Explain(d Dynamic) []Setting {
	e := &explainer{local: l, dynamic: d, seen: map[string]bool{}}
	for k := range Keys() {
		e.key(k)
	}
	e.parameters()
	e.others("", l.root)
	e.notes()
	e.fixed()
	slices.SortStableFunc(e.out, func(a, b Setting) int { return cmp.Compare(a.Key, b.Key) })
	return e.out
}

type explainer struct {
	local   *Local
	dynamic Dynamic
	out     []Setting
	seen    map[string]bool
}

func (e *explainer) add(s Setting) {
	if !e.seen[s.Key] {
		e.seen[s.Key] = true
		e.out = append(e.out, s)
	}
}

// key adds the setting of one key of the table.
func (e *explainer) key(k Key) {
	if k.Path == "postgresql.parameters" || k.Change == NoEffect && lookup(e.local.root, k.Path) == nil {
		return
	}
	file, store := lookup(e.local.root, k.Path), lookup(e.dynamic.Object, k.Path)
	switch {
	case k.In != InStore && file != nil:
		s := e.local.placed(k.Path, file)
		if k.In == InBoth && store != nil && cluster.Text(store) != cluster.Text(file) {
			s.Note = "overrides " + showValue(k.Path, store) + " of the dynamic configuration"
		}
		e.add(s)
	case k.In != InFile && store != nil:
		e.add(e.stored(k.Path, store))
	case k.Default != "":
		e.add(Setting{Key: k.Path, Value: k.Default, Origin: FromDefault})
	}
}

// parameters adds what PostgreSQL is given.
func (e *explainer) parameters() {
	p, _ := e.local.Postgres(e.dynamic.Object)
	for _, list := range [][]Parameter{p.Controlled, p.Parameters, p.RecoveryConf} {
		for _, parameter := range list {
			e.add(e.parameter(parameter))
		}
	}
}

func (e *explainer) parameter(p Parameter) Setting {
	const section = "postgresql.parameters"
	local, _ := lookup(e.local.root, section).(*cluster.Object)
	dynamic := e.dynamic.Object.Object("postgresql").Object("parameters")
	s := Setting{Key: join(section, p.Name), Value: showValue(join(section, p.Name), p.Value), Origin: FromDefault}
	inFile, inStore := spelling(local, p.Name), spelling(dynamic, p.Name)
	switch {
	case slices.Contains(fromAddress, p.Name):
		s.Origin, s.Note = FromAgent, "set by postgresql.listen"
		if p.Name == "cluster_name" {
			s.Note = "set by scope"
		}
	case inFile != "" && !isControlled(p.Name):
		at := e.local.placed(join(section, inFile), local.Get(inFile))
		s.Origin, s.File, s.Line = at.Origin, at.File, at.Line
		if inStore != "" {
			s.Note = "overrides " + showValue(s.Key, dynamic.Get(inStore)) + " of the dynamic configuration"
		}
	case inStore != "":
		at := e.stored(join(section, inStore), dynamic.Get(inStore))
		s.Origin, s.File, s.Line = at.Origin, at.File, at.Line
		if written := cluster.Text(dynamic.Get(inStore)); written != p.Value && isControlled(p.Name) {
			s.Note = "written " + showValue(s.Key, written)
		}
	case !isControlled(p.Name):
		s.Origin = FromAgent
		if isRecovery(p.Name) {
			s.Origin, s.Note = e.recoveryOrigin(), "from postgresql.recovery_conf"
		}
	}
	if inFile != "" && isControlled(p.Name) {
		s.Note = strings.TrimPrefix(s.Note+"; the local value "+showValue(s.Key, local.Get(inFile))+" has no effect: all members must have the same", "; ")
	}
	return s
}

func (e *explainer) recoveryOrigin() Origin {
	if lookup(e.local.root, "postgresql.recovery_conf") != nil {
		return FromFile
	}
	return FromStore
}

// others adds what the file has under names that are not in the table: tags,
// methods, unknown keys.
func (e *explainer) others(path string, o *cluster.Object) {
	for name, v := range o.All() {
		at := join(path, name)
		sub, isObject := v.(*cluster.Object)
		switch {
		case v == nil || e.seen[at] || at == dcsSection || at == "postgresql.parameters":
		case isObject && sub.Len() > 0:
			e.others(at, sub)
		default:
			e.add(e.local.placed(at, v))
		}
	}
}

// notes adds what is not used as written to the settings that it is about.
func (e *explainer) notes() {
	_, warnings := e.local.Settings(e.dynamic.Object)
	for _, w := range warnings {
		key, message, ok := strings.Cut(maskText(w), ": ")
		if !ok || strings.Contains(key, " ") {
			key, message = "loop_wait", maskText(w)
		}
		for i := range e.out {
			if s := &e.out[i]; s.Key == key || s.Key == "postgresql."+key {
				s.addNote(message)
			}
		}
	}
}

// note adds a note to the setting of that key.
func (e *explainer) note(key, message string) {
	for i := range e.out {
		if e.out[i].Key == key {
			e.out[i].addNote(message)
		}
	}
}

func (s *Setting) addNote(message string) {
	s.Note = strings.TrimPrefix(s.Note+"; "+message, "; ")
}

// placed is a value of the file or the environment.
func (l *Local) placed(path string, v any) Setting {
	pos := l.where[path]
	s := Setting{Key: path, Value: showValue(path, v), Origin: FromFile, File: cmp.Or(pos.file, l.file), Line: pos.line}
	if strings.HasPrefix(s.File, "$") && !strings.HasSuffix(s.File, "_CONFIGURATION") {
		s.Origin = FromEnvironment
	}
	return s
}

// stored is a value of the dynamic configuration.
func (e *explainer) stored(path string, v any) Setting {
	s := Setting{Key: path, Value: showValue(path, v), Origin: FromStore, File: e.dynamic.Source}
	if s.File == "" {
		pos := e.local.where[join(dcsSection, path)]
		s.File, s.Line = cmp.Or(pos.file, e.local.file), pos.line
	}
	return s
}

// showValue is a value on one line, as JSON where it is not a scalar, without
// its secrets.
func showValue(path string, v any) string {
	switch m := masked(path, v).(type) {
	case nil:
		return "null"
	case bool:
		if m {
			return "true"
		}
		return "false"
	case string:
		return m
	case json.Number:
		return m.String()
	default:
		return cluster.Text(m)
	}
}

// spelling returns the name in o that stands for a parameter, the last one of
// several; "" if there is none.
func spelling(o *cluster.Object, name string) string {
	found := ""
	for k, v := range o.All() {
		if v != nil && strings.EqualFold(k, name) {
			found = k
		}
	}
	return found
}

// lookup returns the value at a dotted path of o, or nil.
func lookup(o *cluster.Object, path string) any {
	var v any = o
	for part := range strings.SplitSeq(path, ".") {
		o, ok := v.(*cluster.Object)
		if !ok {
			return nil
		}
		v = o.Get(part)
	}
	return v
}

// ParameterFinding is a warning about one of PostgreSQL's parameters, with
// the place that set it.
func (l *Local) ParameterFinding(name, message string) Finding {
	f := Finding{Severity: Warning, File: l.file, Key: "postgresql.parameters." + name, Message: maskText(message)}
	for _, section := range []string{
		"postgresql.parameters", "postgresql.recovery_conf",
		dcsSection + ".postgresql.parameters", dcsSection + ".postgresql.recovery_conf",
	} {
		o, _ := lookup(l.root, section).(*cluster.Object)
		if written := spelling(o, name); written != "" {
			f.Key = join(section, written)
			f.File, f.Line = cmp.Or(l.where[f.Key].file, l.file), l.where[f.Key].line
			return f
		}
	}
	return f
}
