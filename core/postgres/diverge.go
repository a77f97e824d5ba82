package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"github.com/pgregent/pgregent/core/cluster"
)

// logKind says what the end of a server's own log means.
type logKind int

const (
	// logReceived: a standby's; end is the last position it has.
	logReceived logKind = iota
	// logWritten: of a primary that was shut down; end is behind the
	// shutdown checkpoint.
	logWritten
	// logUnknownEnd: of a primary that did not shut down, or still runs.
	logUnknownEnd
)

// ownLog is this server's side of the comparison.
type ownLog struct {
	timeline cluster.Timeline
	end      cluster.LSN
	kind     logKind
}

// upstreamLog is the other side: a running primary's timeline and where the
// earlier ones ended.
type upstreamLog struct {
	timeline cluster.Timeline
	// checkpointed is the timeline of the last checkpoint, which lags behind
	// right after a promotion.
	checkpointed cluster.Timeline
	version      int
	history      cluster.History
}

// compareLogs is the verdict, with the reason in words.
func compareLogs(own ownLog, up upstreamLog) (cluster.Divergence, string) {
	switch {
	case own.timeline == 0 || up.timeline == 0:
		return cluster.DivergenceUnknown, "a timeline is not known"
	case own.timeline > up.timeline:
		return cluster.DivergenceFound, fmt.Sprintf("own timeline %d is newer than the upstream's %d", own.timeline, up.timeline)
	case own.timeline == up.timeline:
		return cluster.DivergenceNone, fmt.Sprintf("both are on timeline %d", own.timeline)
	}
	for _, row := range up.history {
		if row.Timeline != own.timeline {
			continue
		}
		where := fmt.Sprintf("timeline %d ended at %s", row.Timeline, row.LSN)
		switch {
		case own.kind == logUnknownEnd:
			return cluster.DivergenceFound, where + ", and this server did not shut down as a primary on it"
		case own.end > row.LSN:
			return cluster.DivergenceFound, fmt.Sprintf("%s, this server's log at %s", where, own.end)
		}
		return cluster.DivergenceNone, fmt.Sprintf("%s, this server's log not after it, at %s", where, own.end)
	}
	return cluster.DivergenceFound, fmt.Sprintf("timeline %d is not in the history of the upstream's timeline %d", own.timeline, up.timeline)
}

// lazyCheckpointVersion is the first version whose pg_rewind does not need
// the source to have made a checkpoint on its timeline.
const lazyCheckpointVersion = 160000

// Diverged compares this server's log with up's timeline history. The text
// says why. An upstream that cannot be asked, or is no primary, gives
// DivergenceUnknown and no error; errors are of this server.
func (s *Server) Diverged(ctx context.Context, up cluster.Upstream) (cluster.Divergence, string, error) {
	other, err := s.askUpstream(ctx, up)
	if err != nil {
		return cluster.DivergenceUnknown, fmt.Sprintf("upstream %s: %v", address(up), err), nil
	}
	own, err := s.ownLog(ctx)
	if err != nil {
		return cluster.DivergenceUnknown, "this server's log is not known", fmt.Errorf("compare logs: %w", err)
	}
	if own.timeline != 0 && own.timeline < other.timeline {
		if other.history, err = s.askHistory(ctx, up, other.timeline); err != nil {
			return cluster.DivergenceUnknown, fmt.Sprintf("upstream %s: %v", address(up), err), nil
		}
	}
	verdict, reason := compareLogs(own, other)
	if verdict == cluster.DivergenceFound && other.checkpointed < other.timeline && other.version < lazyCheckpointVersion {
		return cluster.DivergenceUnknown, fmt.Sprintf("upstream %s has not yet made a checkpoint on its timeline %d", address(up), other.timeline), nil
	}
	return verdict, reason, nil
}

// askUpstream asks a server whether it is a primary, and for its timeline.
func (s *Server) askUpstream(ctx context.Context, up cluster.Upstream) (upstreamLog, error) {
	var u upstreamLog
	err := s.withUpstream(ctx, up, func(ctx context.Context, c *sql.Conn) error {
		var recovering bool
		if err := c.QueryRowContext(ctx, "SELECT pg_catalog.pg_is_in_recovery()").Scan(&recovering); err != nil {
			return err
		}
		if recovering {
			return errors.New("it is not a primary")
		}
		return c.QueryRowContext(ctx, `SELECT
  ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int,
  c.timeline_id, pg_catalog.current_setting('server_version_num')::int
FROM pg_catalog.pg_control_checkpoint() c`).Scan(&u.timeline, &u.checkpointed, &u.version)
	})
	return u, err
}

// askHistory fetches a timeline history file over a replication connection.
func (s *Server) askHistory(ctx context.Context, up cluster.Upstream, tl cluster.Timeline) (cluster.History, error) {
	cfg := s.config()
	var text []byte
	source := dsn(database(cfg), cfg.Replication, up.Host, up.Port, probeLimit) + " replication='true'"
	err := withConn(ctx, source, probeLimit, func(ctx context.Context, c *sql.Conn) error {
		var name string
		return c.QueryRowContext(ctx, "TIMELINE_HISTORY "+strconv.FormatUint(uint64(tl), 10)).Scan(&name, &text)
	})
	if err != nil {
		return nil, fmt.Errorf("fetch timeline history: %w", err)
	}
	return parseHistory(string(text))
}

// ownLog finds out what this server has: from SQL while it runs as a standby
// and answers, else from the control file.
func (s *Server) ownLog(ctx context.Context) (ownLog, error) {
	if pm := s.find(); pm != nil {
		st, err := s.status(ctx)
		if err == nil && !st.in.Standby {
			return ownLog{st.in.Timeline, st.in.WriteLSN, logUnknownEnd}, nil
		}
		if err == nil {
			return ownLog{s.replayTimeline(ctx, st.in.Timeline), st.in.Position(), logReceived}, nil
		}
	}
	d, err := s.controlData(ctx)
	if err != nil {
		return ownLog{}, err
	}
	c := d.control()
	received := ownLog{c.MinRecoveryTLI, c.MinRecoveryLSN, logReceived}
	switch c.State {
	case "shut down in recovery", "in archive recovery":
		if c.MinRecoveryLSN != 0 && c.MinRecoveryTLI != 0 {
			return received, nil
		}
	case "shut down":
	default:
		return ownLog{c.Timeline, c.CheckpointLSN, logUnknownEnd}, nil
	}
	segment, err := s.segmentSize(ctx)
	if err != nil {
		return ownLog{}, err
	}
	end, err := endOfRecord(s.config().DataDir, c.Timeline, c.CheckpointLSN, segment)
	if err != nil {
		// Only its start is known; if that is not before the switch point the
		// record is after it.
		end = c.CheckpointLSN + 1
	}
	return ownLog{c.Timeline, end, logWritten}, nil
}

// replayTimeline asks the local server over a replication connection, which
// is exact; otherwise what the status query said has to do.
func (s *Server) replayTimeline(ctx context.Context, otherwise cluster.Timeline) cluster.Timeline {
	cfg := s.config()
	host, port := s.localAddress()
	var tl cluster.Timeline
	source := dsn(database(cfg), cfg.Replication, host, port, probeLimit) + " replication='true'"
	err := withConn(ctx, source, probeLimit, func(ctx context.Context, c *sql.Conn) error {
		var id, lsn string
		var dbname sql.NullString
		return c.QueryRowContext(ctx, "IDENTIFY_SYSTEM").Scan(&id, &tl, &lsn, &dbname)
	})
	if err != nil || tl == 0 {
		return otherwise
	}
	return tl
}
