package agent

import (
	"context"
	"errors"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
)

// ErrScheduled means that another restart is scheduled already.
var ErrScheduled = errors.New("another restart is already scheduled")

// scheduledRestart is kept in memory and shown in the member key. It is lost
// when the agent ends.
type scheduledRestart struct {
	decide.ScheduledRestart
	timeout time.Duration
	// shown is the request as it goes into the member key.
	shown *cluster.Object
}

// ScheduleRestart keeps a restart for its time. r.Of is filled in here. shown
// are the request's filters as others see them; timeout 0 is the default. It
// returns ErrScheduled if there is one already.
func (a *Agent) ScheduleRestart(ctx context.Context, r decide.ScheduledRestart, timeout time.Duration, shown *cluster.Object) error {
	done := make(chan error, 1)
	err := a.do(ctx, func(s *state) {
		switch {
		case s.scheduled != nil:
			done <- ErrScheduled
			return
		case !s.instance.Ready:
			done <- errNotRunning
			return
		}
		r.Of = s.instance.StartTime
		shown = shown.Clone()
		shown.Set("postmaster_start_time", r.Of.Format("2006-01-02 15:04:05.000000-07:00"))
		s.scheduled = &scheduledRestart{r, timeout, shown}
		a.log.Info("restart scheduled", "at", r.At)
		done <- nil
	})
	if err != nil {
		return err
	}
	return wait(ctx, done)
}

// CancelRestart drops the scheduled restart. It reports false if there is
// none.
func (a *Agent) CancelRestart(ctx context.Context) (bool, error) {
	done := make(chan bool, 1)
	err := a.do(ctx, func(s *state) {
		done <- s.scheduled != nil
		s.scheduled = nil
	})
	if err != nil {
		return false, err
	}
	select {
	case was := <-done:
		return was, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// dueRestart turns the scheduled restart into a request.
func (a *Agent) dueRestart() *request {
	s := a.s.scheduled
	a.s.scheduled = nil
	if s == nil {
		return &request{done: make(chan error, 1)}
	}
	return &request{timeout: s.timeout, done: make(chan error, 1)}
}

// untilSchedule is the time until the next thing that was scheduled, 0 if
// there is none ahead.
func (a *Agent) untilSchedule(now time.Time) time.Duration {
	var next time.Duration
	consider := func(at time.Time) {
		if left := at.Sub(now); left > 0 && (next == 0 || left < next) {
			next = left
		}
	}
	if a.s.scheduled != nil {
		consider(a.s.scheduled.At)
	}
	if c := a.s.cluster; c != nil && !c.Failover.ScheduledAt.IsZero() {
		consider(c.Failover.ScheduledAt)
	}
	return next
}
