package sim

import "github.com/pgregent/pgregent/core/cluster"

// control is the state in the control file, as far as it matters.
type control int

const (
	inProduction control = iota
	shutDown
	inRecovery
	shutDownInRecovery
)

// controlFile is what pg_controldata shows.
func (pg *postgres) controlFile() cluster.Control {
	c := cluster.Control{State: "in production", Timeline: pg.checkpointed, CheckpointLSN: pg.checkpoint, RewindPossible: pg.hints}
	switch pg.control {
	case shutDown:
		c.State = "shut down"
	case inRecovery:
		c.State = "in archive recovery"
	case shutDownInRecovery:
		c.State = "shut down in recovery"
	}
	if pg.control == inRecovery || pg.control == shutDownInRecovery {
		c.MinRecoveryLSN, c.MinRecoveryTLI = pg.at.lsn, pg.at.branch.timeline
	}
	return c
}

// shutDownCheckpoint is the last record of a primary that stops in order.
func (pg *postgres) shutDownCheckpoint() {
	pg.checkpointed, pg.checkpoint = pg.at.branch.timeline, pg.at.lsn
	pg.at.lsn = pg.at.branch.write(0, pg.w.now(), 120).end
	pg.control = shutDown
}

// recovered makes a primary of a server that has started; a crash recovery
// ends with a checkpoint.
func (pg *postgres) recovered() {
	if pg.control == inProduction {
		pg.checkpointed, pg.checkpoint = pg.at.branch.timeline, pg.at.lsn
	}
	pg.writes(pg.at.branch.timeline)
}

// crashRecovery brings the files of a primary that did not shut down in order
// to the end of their log, as before a rewind.
func (pg *postgres) crashRecovery() {
	if pg.control != inProduction || pg.copied {
		return
	}
	pg.recovered()
	pg.shutDownCheckpoint()
}
