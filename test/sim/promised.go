package sim

import (
	"maps"
	"slices"
	"strings"

	"github.com/pgregent/pgregent/core/decide"
)

// In failsafe mode a primary may outlive its session, by the promises of all
// who may race: what they have on disk is the truth about that.

// unpromised names one of those that may race and have not promised n to let it
// be, or whose promise is over; "" if there is none.
func (w *world) unpromised(n *node) string {
	for _, name := range slices.Sorted(maps.Keys(w.zk.listed)) {
		if name != n.name && !slices.ContainsFunc(w.named(name), func(o *node) bool {
			p := o.disk.promise
			return p.To == n.name && o.clock().Before(p.Until)
		}) {
			return name
		}
	}
	return ""
}

// named are those of whom one may race under that name: who has registered it,
// or all who could, should it have a twin. A twin without data has nothing to
// lead with.
func (w *world) named(name string) (list []*node) {
	for _, n := range append(w.nodes[:len(w.nodes):len(w.nodes)], w.allTwins...) {
		if n.name != name {
			continue
		}
		if r := w.zk.registered[name]; r != nil && strings.HasPrefix(r.instance, n.host+"#") && (n.host == n.name || !n.pg.empty) {
			return []*node{n}
		}
		list = append(list, n)
	}
	return list
}

// unlocked says what is wrong with n's accepting writes while it does not hold
// the lock, "" if nothing is. An operator's doings are not its fault.
func (w *world) unlocked(n *node) string {
	if w.excused(n) || n.lax {
		return ""
	}
	if !w.setup.Settings.FailsafeMode {
		return "and nobody lets it"
	}
	if name := w.unpromised(n); name != "" {
		return "and " + name + " has not promised not to race"
	}
	return ""
}

// promised is called when n has given its word: at its end the other must hold
// the lock again, or accept no writes. A later word takes its place.
func (w *world) promised(n *node, given decide.Promise) {
	w.after(n.until(given.Until), func() {
		to := w.node(given.To)
		if n.disk.promise != given || w.zk.listed[n.name] == "" || to == nil || !to.pg.open() || w.leads(to) {
			return
		}
		if why := w.unlocked(to); why != "" {
			w.violated("I3: the promise of %s to %s ends, which accepts writes without the lock", n.name, to.name)
		}
	})
}
