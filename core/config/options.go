package config

import (
	"slices"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// forbiddenInitdb are options of initdb that would break the bootstrap.
var forbiddenInitdb = []string{"pgdata", "nosync", "pwfile", "sync-only", "version"}

// forbiddenBaseBackup are options of pg_basebackup that the agent sets, or
// that would make something else than a data directory.
var forbiddenBaseBackup = []string{
	"pgdata", "format", "wal-method", "xlog-method", "gzip", "version",
	"dbname", "host", "port", "username", "password",
}

// parseOptions reads command-line options: a list of names, name=value texts
// and one-entry mappings, or one mapping. Leading dashes are optional. refused
// names the forbidden ones that were left out.
func parseOptions(v any, forbidden []string) (options []Option, refused []string) {
	add := func(o Option) {
		o.Key = strings.TrimLeft(o.Key, "-")
		switch {
		case o.Key == "":
		case slices.Contains(forbidden, o.Key):
			refused = append(refused, o.Key)
		default:
			options = append(options, o)
		}
	}
	switch v := v.(type) {
	case *cluster.Object:
		for key, value := range v.All() {
			add(newOption(key, value))
		}
	case []any:
		for _, item := range v {
			o, ok := item.(*cluster.Object)
			if !ok {
				key, value, has := strings.Cut(cluster.Text(item), "=")
				add(Option{key, value, has})
				continue
			}
			for key, value := range o.All() {
				add(newOption(key, value))
			}
		}
	}
	return options, refused
}

// newOption is --key for null, else --key=value.
func newOption(key string, value any) Option {
	if value == nil {
		return Option{Key: key}
	}
	return Option{key, cluster.Text(value), true}
}

// textItems returns the items of a list of text. One text may hold several
// lines; items that are not scalars are left out. nil stays nil.
func textItems(v any) []string {
	list, ok := v.([]any)
	if !ok {
		if v == nil || !isScalar(v) {
			return nil
		}
		return strings.Split(strings.TrimRight(cluster.Text(v), "\n"), "\n")
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		if isScalar(item) {
			out = append(out, cluster.Text(item))
		}
	}
	return out
}
