package agent

import (
	"context"
	"time"

	"github.com/pgregent/pgregent/core/decide"
)

// checkpointAgain is the pause after a checkpoint that failed.
const checkpointAgain = 2 * time.Second

// checkpointAfterPromote makes the control file name the new timeline, which
// pg_rewind on the others waits for.
func (a *Agent) checkpointAfterPromote(ctx context.Context) {
	for a.writable.Load() {
		err := a.o.Postgres.Checkpoint(ctx)
		if err == nil {
			break
		}
		a.log.Warn("checkpoint after promotion", "err", err)
		select {
		case <-time.After(checkpointAgain):
		case <-ctx.Done():
			return
		}
	}
	a.checkpointPending.Store(false)
	a.Wake()
}

// ensureCheckpoint makes the checkpoint after a promotion that another agent,
// or a person, has made: PostgreSQL's own may take minutes, and whoever has to
// be rewound waits for it.
func (a *Agent) ensureCheckpoint(ctx context.Context, v *decide.View) {
	i := v.Instance
	if !v.Lease.Valid(v.Now) || !i.Ready || !i.Primary() || i.CheckpointTimeline == 0 || i.CheckpointTimeline >= i.Timeline ||
		a.s.job != nil || !a.checkpointPending.CompareAndSwap(false, true) {
		return
	}
	a.log.Info("the last checkpoint is of an older timeline: making one", "timeline", i.Timeline, "checkpoint_timeline", i.CheckpointTimeline)
	go a.checkpointAfterPromote(ctx)
}
