package config

import (
	"cmp"

	"github.com/pgregent/pgregent/core/cluster"
)

// fixed notes the keys of which a reload has read another value than the one
// that the agent has worked with since its start.
func (e *explainer) fixed() {
	if e.local.started == nil {
		return
	}
	for k := range Keys() {
		if k.Change != AtAgentRestart || k.In == InStore {
			continue
		}
		was, now := lookup(e.local.started, k.Path), lookup(e.local.root, k.Path)
		if textOr(was, k.Default) == textOr(now, k.Default) {
			continue
		}
		inForce := cmp.Or(k.Default, "not set")
		if was != nil {
			inForce = showValue(k.Path, was)
		}
		e.add(Setting{Key: k.Path, Origin: FromDefault}) // without a row if it was removed
		e.note(k.Path, "takes a restart of the agent; in force: "+inForce)
	}
}

// textOr is a value's text, or the default of a key that is not set.
func textOr(v any, def string) string {
	if v == nil {
		return def
	}
	return cluster.Text(v)
}
