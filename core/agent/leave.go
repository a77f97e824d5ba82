package agent

import (
	"context"
	"errors"
	"fmt"
)

// ErrLeft means that the agent ended because of Leave: PostgreSQL, the fence,
// the watchdog and the session are left for the next agent of this node, which
// has to come within the fence's wait.
var ErrLeft = errors.New("left PostgreSQL to the next agent")

// Leave makes Run end with ErrLeft as soon as nothing would be lost by it: no
// work on PostgreSQL is in hand, and the store answers, so that the next agent
// can take the session over at once. An orderly stop goes first.
func (a *Agent) Leave(ctx context.Context) error {
	return a.do(ctx, func(s *state) {
		s.leave = true
		a.log.Info("asked to leave PostgreSQL to the next agent")
	})
}

// leaves reports whether to end now. A reason to stay is told when it changes.
func (a *Agent) leaves(ctx context.Context) bool {
	s := &a.s
	if !s.leave || ctx.Err() != nil {
		return false
	}
	why := a.staysFor()
	if why != s.stays && why != "" {
		a.log.Info("leaving later", "reason", why)
	}
	s.stays = why
	return why == ""
}

// staysFor is why the agent must not leave now; "" if it may. Leadership that
// rests on the members' promises alone could not be taken over: the next agent
// needs the store to find its session.
func (a *Agent) staysFor() string {
	s, l := &a.s, a.o.Store.Lease()
	switch {
	case s.job != nil:
		return fmt.Sprintf("%s is in progress", s.job.kind)
	case s.restart != nil || s.reinit != nil:
		return "a request waits"
	case !s.joined || s.storeErr != "":
		return "the store does not answer"
	case l.Held() && !l.Valid(a.now()):
		return "the lease is not proven"
	}
	return ""
}
