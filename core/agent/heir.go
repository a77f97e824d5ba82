package agent

import "github.com/pgregent/pgregent/core/cluster"

// Heir is a Store that can replace the ephemerals which a dead agent's session
// has left under this member's name, before that session has expired.
type Heir interface {
	// Inherit allows it for that session. Acquire then takes the leader lock
	// over without a gap if that session holds it.
	Inherit(session int64)
}

// inherit lets the store replace what the agent before this one has left, if
// that agent is known to be gone: it published the very URL at which this
// agent answers now. An agent of ours leaves its session to the next one;
// others leave it to expire.
func (a *Agent) inherit(m *cluster.Member, answered string) {
	if heir, ok := a.o.Store.(Heir); ok && answered == a.o.InstanceID && m.Data.APIURL == a.api() {
		a.s.former = m.Session
		heir.Inherit(m.Session)
	}
}
