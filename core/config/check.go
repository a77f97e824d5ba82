package config

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// checkKeys compares the document with the known keys: unknown ones and
// values of the wrong kind become findings.
func (d *document) checkKeys() {
	schema := newSchema()
	c := keyChecker{doc: d, root: schema}
	c.section(d.root, schema, "")
}

type keyChecker struct {
	doc  *document
	root *schemaKey
}

func (c *keyChecker) section(o *cluster.Object, s *schemaKey, path string) {
	for name, v := range o.All() {
		at := join(path, name)
		known := s.children[name]
		if known == nil {
			c.unknown(s, path, name, v)
			continue
		}
		if v == nil {
			continue
		}
		if sub, ok := v.(*cluster.Object); ok && known.shape.kind == section {
			c.section(sub, known, at)
			continue
		}
		c.value(known, at, v)
		if known.change == NotSupported {
			c.doc.report(Warning, at, v, "has no effect in this build: %s", known.doc)
		}
	}
}

// value checks one value that is not null.
func (c *keyChecker) value(k *schemaKey, path string, v any) {
	if k.shape.kind == text && isBool(v) && path != "tags.clonefrom" {
		c.doc.report(Error, path, v, "must be text: this word is a boolean in YAML, put it in quotes")
		return
	}
	if k.shape.accepts(v) {
		return
	}
	severity := Error
	if k.replaceable(path) {
		severity = Warning
	}
	c.doc.report(severity, path, v, "%s", k.shape.allowed())
}

// replaceable reports whether a wrong value does no harm: it is not used, or
// the default is used in its place.
func (s *schemaKey) replaceable(path string) bool {
	switch s.shape.kind {
	case boolean, integer, choice:
		return s.change == NoEffect || strings.HasPrefix(path, dcsSection+".")
	case duration:
		return s.change == NoEffect || s.in != InFile
	}
	return false
}

func isBool(v any) bool {
	_, ok := v.(bool)
	return ok
}

// accepts reports whether v, which is not null, fits.
func (s shape) accepts(v any) bool {
	switch s.kind {
	case opaque:
		return true
	case text:
		return isScalar(v)
	case boolean:
		_, ok := cluster.ParseBool(v)
		return ok
	case integer:
		n, ok := cluster.ParseInt(v)
		return ok && !isBool(v) && s.within(n)
	case duration:
		return s.acceptsDuration(v)
	case choice:
		return s.acceptsWord(v)
	case textList:
		list, ok := v.([]any)
		return isScalar(v) || ok && all(list, isScalar)
	case optionList:
		return acceptsOptions(v)
	case textMap:
		o, ok := v.(*cluster.Object)
		return ok && allValues(o, func(v any) bool { return v == nil || isScalar(v) })
	}
	_, ok := v.(*cluster.Object)
	return ok
}

// within reports whether n is inside the limits.
func (s shape) within(n int64) bool {
	return s.least == 0 && s.most == 0 || n >= s.least && n <= s.most
}

func (s shape) acceptsDuration(v any) bool {
	if n, ok := cluster.ParseInt(v); ok {
		return !isBool(v) && s.within(n)
	}
	d, err := cluster.ParseSeconds(v)
	unit := time.Second
	if s.unit == "ms" {
		unit = time.Millisecond
	}
	return err == nil && s.within(int64(d/unit))
}

// acceptsWord compares in any case. YAML reads on and off as booleans.
func (s shape) acceptsWord(v any) bool {
	word := strings.ToLower(cluster.Text(v))
	if b, ok := v.(bool); ok {
		word = "off"
		if b {
			word = "on"
		}
	}
	return isScalar(v) && slices.Contains(strings.Fields(s.words+" "+s.aliases), word)
}

func acceptsOptions(v any) bool {
	scalarOrNull := func(v any) bool { return v == nil || isScalar(v) }
	switch v := v.(type) {
	case *cluster.Object:
		return allValues(v, scalarOrNull)
	case []any:
		return all(v, func(item any) bool {
			o, ok := item.(*cluster.Object)
			return isScalar(item) || ok && o.Len() == 1 && allValues(o, scalarOrNull)
		})
	}
	return false
}

func isScalar(v any) bool {
	switch v.(type) {
	case string, bool, json.Number:
		return true
	}
	return false
}

func all(list []any, ok func(any) bool) bool {
	return !slices.ContainsFunc(list, func(v any) bool { return !ok(v) })
}

func allValues(o *cluster.Object, ok func(any) bool) bool {
	for _, v := range o.All() {
		if !ok(v) {
			return false
		}
	}
	return true
}

// unknown reports a key that is not in the schema at path.
func (c *keyChecker) unknown(s *schemaKey, path, name string, v any) {
	at := join(path, name)
	switch {
	case path == "" && name == "citus":
		c.doc.report(Error, at, v, "Citus groups are not supported by this build")
	case path == "" && slices.Contains(otherStores, name):
		if v != nil {
			c.doc.refused(at)
		}
	case c.dynamicOnly(path, name):
		c.doc.unknown(at, "only the dynamic configuration has this key; here it has no effect (first value: bootstrap.dcs.%s)", at)
	case isMethod(path, v), c.namesMethod(path, name):
	default:
		c.doc.unknown(at, "unknown key%s", c.suggest(s, path, name))
	}
}

// dynamicOnly reports whether a key would be known in the dynamic
// configuration.
func (c *keyChecker) dynamicOnly(path, name string) bool {
	dcs := c.root.children["bootstrap"].children["dcs"]
	switch path {
	case "":
		return dcs.children[name] != nil
	case "postgresql":
		return dcs.children[path].children[name] != nil
	}
	return false
}

// isMethod reports whether v is a custom bootstrap or replica method: a
// mapping with a command, under a name that the operator chose.
func isMethod(path string, v any) bool {
	o, ok := v.(*cluster.Object)
	at := path == "bootstrap" || path == "postgresql" || path == "bootstrap.dcs.postgresql"
	return ok && at && o.Has("command")
}

// namesMethod reports that name is one of the configured methods, whose
// section need not have a command.
func (c *keyChecker) namesMethod(path, name string) bool {
	for _, key := range []string{"create_replica_methods", "create_replica_method", "method"} {
		if slices.Contains(textItems(c.doc.lookup(path+"."+key)), name) {
			return path != ""
		}
	}
	return false
}

// suggest returns "; did you mean X?" for the nearest known name beside
// name, or else for the same name in another section.
func (c *keyChecker) suggest(s *schemaKey, path, name string) string {
	if best := nearestName(name, slices.Sorted(maps.Keys(s.children))); best != "" {
		return "; did you mean " + join(path, best) + "?"
	}
	if path == "postgresql" && isControlled(name) {
		return "; did you mean " + join(dcsSection, "postgresql.parameters."+name) + "?"
	}
	if others := elsewhere(c.root, "", name); len(others) > 0 {
		return "; did you mean " + strings.Join(others, " or ") + "?"
	}
	return ""
}

// elsewhere returns the paths of the known keys of a file with this name,
// the least nested only.
func elsewhere(s *schemaKey, path, name string) []string {
	var found []string
	for _, child := range slices.Sorted(maps.Keys(s.children)) {
		if at := join(path, child); child == name {
			found = append(found, at)
		} else if at != dcsSection {
			found = append(found, elsewhere(s.children[child], at, name)...)
		}
	}
	depth := func(path string) int { return strings.Count(path, ".") }
	least := 0
	for i, path := range found {
		if i == 0 || depth(path) < least {
			least = depth(path)
		}
	}
	return slices.DeleteFunc(found, func(path string) bool { return depth(path) > least })
}

// Distance counts the letters that were left out, added, replaced, or
// exchanged with their neighbour, between two names of ASCII letters.
func Distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// nearestName returns the name that is written nearly like name, "" if none is.
func nearestName(name string, known []string) string {
	best, bestDistance := "", 1+max(1, len(name)/3)
	for _, k := range known {
		if d := Distance(strings.ToLower(name), strings.ToLower(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// lookup returns the value at a dotted path, or nil.
func (d *document) lookup(path string) any { return lookup(d.root, path) }
