package command

import (
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// parametersPath is where everything behind it is one name, dots and all.
const parametersPath = "postgresql.parameters."

// setAll applies assignments of keys and of PostgreSQL parameters.
func setAll(o *cluster.Object, keys, parameters []string) error {
	for i, list := range [][]string{keys, parameters} {
		for _, assignment := range list {
			path, value, ok := strings.Cut(assignment, "=")
			if !ok || path == "" {
				return words("Invalid parameter setting %s", assignment)
			}
			v, err := config.ParseValue([]byte(value))
			if err != nil {
				return words("Invalid parameter setting %s: %w", assignment, err)
			}
			if i == 1 {
				path = parametersPath + path
			}
			assign(o, splitPath(path), v)
		}
	}
	return nil
}

func splitPath(path string) []string {
	if name, ok := strings.CutPrefix(path, parametersPath); ok {
		return append(strings.Split(strings.TrimSuffix(parametersPath, "."), "."), name)
	}
	return strings.Split(path, ".")
}

// assign sets the value at a path. null removes it, and the parents that are
// empty then; what is no object on the way gives place to one.
func assign(o *cluster.Object, path []string, v any) {
	if len(path) == 1 {
		if v == nil {
			o.Delete(path[0])
		} else {
			o.Set(path[0], v)
		}
		return
	}
	child := o.Object(path[0])
	if child == nil {
		if v == nil && !o.Has(path[0]) {
			return
		}
		child = &cluster.Object{}
		o.Set(path[0], child)
	}
	assign(child, path[1:], v)
	if child.Len() == 0 {
		o.Delete(path[0])
	}
}
