package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// reach is the upstream, if it runs and answers.
func (pg *postgres) reach(up cluster.Upstream) (*postgres, error) {
	from := pg.w.postgresOf(&up)
	if from == nil || !from.running || !from.ready || from.stopping || from.n.suspended || !pg.w.net.both(toReplicate, pg.n.name, from.n.name) {
		return nil, fmt.Errorf("upstream %s does not answer", up.Name)
	}
	return from, nil
}

// Clone copies the upstream. What dies in the middle leaves nothing.
func (o *pgPort) Clone(ctx context.Context, up cluster.Upstream) error {
	pg := o.pg
	var err error
	gen := 0
	if dead := o.do(func() {
		if pg.running || pg.barren {
			err = errors.New("PostgreSQL runs, or its disk does not")
			return
		}
		from, cannot := pg.reach(up)
		if err = cannot; err == nil {
			pg.empty, pg.state, gen = true, cluster.StateCreatingReplica, from.gen
			pg.w.note(pg.n.name, "copies %s", up.Name)
		}
	}); dead != nil || err != nil {
		return errors.Join(dead, err)
	}
	err = o.takes(ctx, o.draw(2*time.Second, 12*time.Second))
	pg.w.locked(func() {
		pg.state = cluster.StateStopped
		from, cannot := pg.reach(up)
		switch {
		case err != nil:
			return
		case cannot != nil:
			err = cannot
		case from.gen != gen || pg.faults.failClone:
			err, pg.faults.failClone = errors.New("the copy broke off"), false
		default:
			from.advance()
			pg.empty, pg.at, pg.systemID, pg.signal, pg.copied = false, from.at, from.systemID, false, true
			pg.control, pg.consistent = inProduction, from.at.lsn
			pg.checkpointed, pg.checkpoint = from.checkpointed, from.checkpoint
			pg.hints = from.hints
			if from.recovering {
				pg.control = inRecovery
			}
		}
	})
	return err
}

// Diverged compares the logs, with the same blind spots as the real one.
func (o *pgPort) Diverged(ctx context.Context, up cluster.Upstream) (verdict cluster.Divergence, reason string, err error) {
	if err := o.takes(ctx, o.draw(5*time.Millisecond, 80*time.Millisecond)); err != nil {
		return 0, "", err
	}
	pg := o.pg
	dead := o.do(func() {
		from, cannot := pg.reach(up)
		switch {
		case cannot != nil:
			reason = cannot.Error()
			return
		case !from.primary():
			reason = "it is not a primary"
			return
		}
		pg.advance()
		was := pg.primary() || !pg.running && !pg.copied && pg.control == inProduction // its end is not known
		same := pg.at.branch.timeline == from.at.branch.timeline
		switch {
		case from.at.has(pg.at) && (same || !was):
			verdict, reason = cluster.DivergenceNone, "the upstream has this log"
		case from.checkpointed < from.at.branch.timeline:
			reason = "the upstream has not yet made a checkpoint on its timeline"
		default:
			verdict, reason = cluster.DivergenceFound, fmt.Sprintf("own %d/%v, upstream %d/%v", pg.at.branch.timeline, pg.at.lsn, from.at.branch.timeline, from.at.lsn)
		}
	})
	return verdict, reason, dead
}

// Rewind goes back to the last common place; recovery must then reach what the
// upstream had.
func (o *pgPort) Rewind(ctx context.Context, up cluster.Upstream) error {
	pg := o.pg
	if err := o.Stop(ctx, cluster.StopFast, false, nil); err != nil {
		return err
	}
	err := o.takes(ctx, o.draw(time.Second, 5*time.Second))
	pg.w.locked(func() {
		if err == nil {
			pg.crashRecovery()
		}
		if err != nil {
			if pg.dice.chance(0.5) {
				pg.empty = true // it had begun to change the files
			}
			return
		}
		from, cannot := pg.reach(up)
		switch {
		case cannot != nil:
			err = cannot
		case !from.primary():
			err = errors.New("it is not a primary")
		case from.at.branch != pg.at.branch && from.at.branch.timeline == pg.at.branch.timeline && !from.at.has(pg.at):
			err = cluster.ErrCannotRewind
		default:
			pg.at = from.at.common(pg.at)
			pg.control, pg.consistent, pg.copied, pg.signal = inRecovery, from.at.lsn, false, false
			pg.w.note(pg.n.name, "was rewound from %s to %v", up.Name, pg.at.lsn)
		}
	})
	return err
}

// RemoveData empties the data directory.
func (o *pgPort) RemoveData() error {
	return o.do(func() { o.pg.empty = true })
}

// MoveDataAside renames it.
func (o *pgPort) MoveDataAside() error { return o.RemoveData() }
