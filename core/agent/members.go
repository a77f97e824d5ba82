package agent

import (
	"context"
	"slices"

	"github.com/pgregent/pgregent/core/cluster"
)

// memory keeps the members for the next agent of this node. It runs beside the
// loop, which no slow disk may hold up.
type memory struct {
	a    *Agent
	work chan []cluster.Member
}

func newMemory(a *Agent) *memory { return &memory{a: a, work: make(chan []cluster.Member, 1)} }

func (m *memory) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case list := <-m.work:
			m.a.o.SaveMembers(list)
		}
	}
}

// rememberMembers takes note of those that may still accept writes when their
// keys are gone: they are asked before anybody takes the lock. The next agent of
// this node needs them too: it may start when somebody has just ended the
// leader's session.
func (a *Agent) rememberMembers(list []cluster.Member) {
	same := slices.EqualFunc(a.s.lastMembers, list, func(x, y cluster.Member) bool {
		return x.Name == y.Name && x.Data.APIURL == y.Data.APIURL
	})
	a.s.lastMembers = list
	if !same && a.o.SaveMembers != nil {
		hand(a.memory.work, list)
	}
}
