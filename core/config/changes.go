package config

import (
	"cmp"
	"slices"

	"github.com/pgregent/pgregent/core/cluster"
)

// Changed is one key of the local configuration that has another value.
type Changed struct {
	Key string
	// From and To are as they may be shown; "" where the key was, or is, absent.
	From, To string
	// Effect is what it takes until the change counts.
	Effect Change
}

// Changes compares two local configurations, sorted by key. Values are the
// same if their texts are, lists if all their items are.
func Changes(from, to *Local) []Changed {
	c := changes{schema: newSchema()}
	c.compare("", from.root, to.root)
	slices.SortFunc(c.out, func(a, b Changed) int { return cmp.Compare(a.Key, b.Key) })
	return c.out
}

type changes struct {
	schema *schemaKey
	out    []Changed
}

func (c *changes) compare(path string, from, to any) {
	a, aIs := from.(*cluster.Object)
	b, bIs := to.(*cluster.Object)
	if (aIs || from == nil) && (bIs || to == nil) && (aIs || bIs) {
		for name, v := range a.All() {
			c.compare(join(path, maskedName(path, name)), v, b.Get(name))
		}
		for name, v := range b.All() {
			if !a.Has(name) {
				c.compare(join(path, maskedName(path, name)), nil, v)
			}
		}
		return
	}
	if cluster.Text(from) == cluster.Text(to) {
		return
	}
	out := Changed{Key: path, Effect: c.schema.effect(path)}
	if from != nil {
		out.From = showValue(path, from)
	}
	if to != nil {
		out.To = showValue(path, to)
	}
	c.out = append(c.out, out)
}

// effect is that of the key at path, or of the nearest known one above it.
// Everything below bootstrap counts for a new cluster only.
func (s *schemaKey) effect(path string) Change {
	if inSection(path, "bootstrap") {
		return AtBootstrap
	}
	for {
		if k := s.find(path); k != nil && k.change != "" {
			return k.change
		}
		i := lastDot(path)
		if i < 0 {
			return AtReload // tags, methods, unknown keys: read whenever needed
		}
		path = path[:i]
	}
}

func inSection(path, section string) bool {
	return path == section || len(path) > len(section) && path[:len(section)+1] == section+"."
}

func lastDot(path string) int {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '.' {
			return i
		}
	}
	return -1
}

// WithFixed returns l with the values of the running configuration for the
// keys that take a restart of the agent: a node must not change half its
// identity, nor look at another data directory while its server runs.
func (l *Local) WithFixed(running *Local) *Local {
	c := *l
	c.Scope, c.Name, c.Namespace, c.StateDir = running.Scope, running.Name, running.Namespace, running.StateDir
	c.ZooKeeper, c.Fence = running.ZooKeeper, running.Fence
	c.Tracing, c.Plugins = running.Tracing, running.Plugins
	c.path, c.home = running.path, running.home
	c.started = running.started
	if c.started == nil {
		c.started = running.root
	}
	c.postgresql = l.postgresql.Clone()
	for _, row := range slices.Concat(postgresLocalKeys, postgresBothKeys) {
		if row.change != AtAgentRestart {
			continue
		}
		c.postgresql.Delete(row.name)
		if v := running.postgresql.Get(row.name); v != nil {
			c.postgresql.Set(row.name, v)
		}
	}
	return &c
}
