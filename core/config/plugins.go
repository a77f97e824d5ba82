package config

import (
	"cmp"
	"slices"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// Plugin is one entry of the native plugins section.
type Plugin struct {
	Name string
	// Type is a plugin that is shipped with the agent; "" if Path is set.
	Type string
	// Path is a program and Args its arguments; SHA256 is its pinned checksum.
	Path   string
	Args   []string
	SHA256 string
	// Settings go to the plugin; they are checked by its own schema.
	Settings    *cluster.Object
	Environment []string
	// StartTimeout and CallTimeout bound the start and short calls; 0: default.
	StartTimeout, CallTimeout time.Duration
	// Nice, IOClass, IOLevel and Memory are limits; see plugins.Limits.
	Nice    int
	IOClass string
	IOLevel int
	Memory  uint64
}

// ShippedPlugins are the types of plugins that need no program of their own.
var ShippedPlugins = []string{"basebackup", "exec", "pgbackrest", "haproxy", "webhook"}

// hasPlugin reports that a plugin of that name is configured or shipped.
func (d *document) hasPlugin(name string) bool {
	o, _ := d.root.Get("plugins").(*cluster.Object)
	return o.Has(name) || slices.Contains(ShippedPlugins, name)
}

// pluginKeys are the keys of one entry.
var pluginKeys = []string{"type", "path", "args", "sha256", "settings", "environment", "start_timeout", "call_timeout", "nice", "io_class", "io_level", "memory"}

// plugins reads the plugins section.
func (d *document) plugins() []Plugin {
	o, _ := d.root.Get("plugins").(*cluster.Object)
	var out []Plugin
	for name, v := range o.All() {
		entry, ok := v.(*cluster.Object)
		if v != nil && !ok {
			d.report(Error, "plugins."+name, nil, "must be a mapping of keys to values")
			continue
		}
		out = append(out, d.plugin(name, entry))
	}
	return out
}

func (d *document) plugin(name string, o *cluster.Object) Plugin {
	at := "plugins." + name
	for k := range o.All() {
		if !slices.Contains(pluginKeys, k) {
			d.unknown(at+"."+k, "unknown key; what is meant for the plugin belongs under settings")
		}
	}
	p := Plugin{
		Name: name, Type: d.text(at + ".type"), Path: d.text(at + ".path"), Args: textItems(o.Get("args")), SHA256: d.text(at + ".sha256"),
		Settings: o.Object("settings"), Environment: textItems(o.Get("environment")), IOClass: d.text(at + ".io_class"),
	}
	if p.Type == "" && p.Path == "" {
		p.Type = name
	}
	switch {
	case p.Type != "" && p.Path != "":
		d.report(Error, at, nil, "has both type and path; a plugin is either shipped or a program")
	case p.Type != "" && !slices.Contains(ShippedPlugins, p.Type):
		d.report(Error, at+".type", p.Type, "must be one of %v, or path must name a program", ShippedPlugins)
	}
	switch p.IOClass {
	case "", "idle", "best-effort":
	default:
		d.report(Error, at+".io_class", p.IOClass, "must be idle or best-effort")
	}
	p.Nice = int(d.number(at+".nice", 0, 19))
	p.IOLevel = int(d.number(at+".io_level", 0, 7))
	p.Memory = uint64(d.number(at+".memory", 0, 1<<50))
	p.StartTimeout, p.CallTimeout = d.seconds(at+".start_timeout"), d.seconds(at+".call_timeout")
	return p
}

// number reads a whole number within bounds; 0 if it is not set.
func (d *document) number(path string, least, most int64) int64 {
	v := d.lookup(path)
	if v == nil {
		return 0
	}
	n, ok := cluster.ParseInt(v)
	if !ok || int64(n) < least || int64(n) > most {
		d.report(Error, path, v, "must be a whole number from %d to %d", least, most)
		return 0
	}
	return int64(n)
}

// seconds reads a time limit; 0 if it is not set.
func (d *document) seconds(path string) time.Duration {
	v := d.lookup(path)
	if v == nil {
		return 0
	}
	t, err := cluster.ParseSeconds(v)
	if err != nil || t <= 0 || t > time.Hour {
		d.report(Error, path, v, "must be a number of seconds, or a number with a unit (5s, 500ms)")
		return 0
	}
	return t
}

// Plugin returns the entry of that name. A shipped plugin needs none.
func (l *Local) Plugin(name string) (Plugin, bool) {
	for _, p := range l.Plugins {
		if p.Name == name {
			return p, true
		}
	}
	if slices.Contains(ShippedPlugins, name) {
		return Plugin{Name: name, Type: name}, true
	}
	return Plugin{}, false
}

// PrimaryWord is the word that callbacks get for the role of a primary.
func (l *Local) PrimaryWord() string {
	if p, ok := l.Plugin("exec"); ok && p.Settings != nil {
		if v := p.Settings.Get("primary_word"); v != nil {
			return cmp.Or(cluster.Text(v), "primary")
		}
	}
	return "primary"
}
