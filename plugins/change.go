package plugins

import (
	"reflect"
	"slices"
)

// present are the plugins that are told of events and routes.
func (h *Host) present() []*standing {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.standing)
}

// SetStanding makes specs the plugins that are told of events and routes. One
// that is as before goes on; one that is not is ended before its successor
// starts, which is told where clients belong. Events of between are not told.
func (h *Host) SetStanding(specs []Spec) {
	h.changing.Lock()
	defer h.changing.Unlock()
	is := func(s *standing) func(Spec) bool {
		return func(n Spec) bool { return reflect.DeepEqual(n, s.spec) }
	}
	var kept, gone []*standing
	for _, s := range h.present() {
		if slices.ContainsFunc(specs, is(s)) {
			kept = append(kept, s)
		} else {
			gone = append(gone, s)
		}
	}
	h.mu.Lock()
	h.standing = slices.Clone(kept)
	h.mu.Unlock()
	for _, s := range gone { // not under the lock, which the agent's loop takes
		h.log.Info("plugin ends: it is not configured so any more", "plugin", s.spec.Name)
		s.stop()
		<-s.done
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range specs {
		if slices.ContainsFunc(kept, func(s *standing) bool { return is(s)(n) }) {
			continue
		}
		s := h.newStanding(n)
		if h.last != nil {
			s.update(h.route(*h.last))
		}
		h.standing = append(h.standing, s)
	}
}
