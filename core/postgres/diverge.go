package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

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
	// copied means a base backup that was never started: it says of its
	// source, not of this server, that it was a primary.
	copied bool
	// checkpoint is the last one of a primary that is down; 0: none such.
	checkpoint cluster.LSN
	// history is of this server's own file for its timeline; nil if there is
	// none.
	history cluster.History
}

// wasPrimary reports whether the end of the log was written here.
func (o ownLog) wasPrimary() bool { return o.kind != logReceived && !o.copied }

// upstreamLog is the other side: a running primary's timeline and where the
// earlier ones ended.
type upstreamLog struct {
	timeline cluster.Timeline
	// checkpointed is the timeline of the last checkpoint, which lags behind
	// right after a promotion.
	checkpointed cluster.Timeline
	version      int
	flush        cluster.LSN
	history      cluster.History
}

// compareLogs is the verdict, with the reason in words.
func compareLogs(own ownLog, up upstreamLog) (cluster.Divergence, string) {
	switch {
	case own.timeline == 0 || up.timeline == 0:
		return cluster.DivergenceUnknown, "a timeline is not known"
	case own.timeline > up.timeline:
		return cluster.DivergenceFound, fmt.Sprintf("own timeline %d is newer than the upstream's %d", own.timeline, up.timeline)
	case own.history != nil && !samePast(own, up):
		return cluster.DivergenceFound, fmt.Sprintf("own timeline %d has another past (%s) than the upstream's (%s)",
			own.timeline, describePast(own.history), describePast(up.history))
	case own.timeline == up.timeline:
		return compareEnds(own, up)
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

// samePast reports whether the own timeline branched off where the upstream's
// history says. Two standbys that are promoted apart take the same number.
func samePast(own ownLog, up upstreamLog) bool {
	var theirs cluster.History // up to the own timeline
	for _, row := range up.history {
		if row.Timeline < own.timeline {
			theirs = append(theirs, row)
		}
	}
	return slices.EqualFunc(own.history, theirs, func(a, b cluster.HistoryEntry) bool {
		return a.Timeline == b.Timeline && a.LSN == b.LSN
	})
}

func describePast(h cluster.History) string {
	list := make([]string, len(h))
	for i, row := range h {
		list[i] = fmt.Sprintf("%d to %s", row.Timeline, row.LSN)
	}
	return strings.Join(list, ", ")
}

// compareEnds is the verdict on two logs of one timeline with the same past,
// as far as that is known. A standby has only what it received, and no
// history file of its own making: it may miss the file, and its end may be
// after what the upstream said a moment ago. Who was a primary has the file,
// because promotion writes it and nothing removes it, and must not have
// written what the upstream does not have.
func compareEnds(own ownLog, up upstreamLog) (cluster.Divergence, string) {
	both := fmt.Sprintf("both are on timeline %d", own.timeline)
	switch {
	case !own.wasPrimary():
		return cluster.DivergenceNone, both
	case own.timeline > 1 && own.history == nil:
		return cluster.DivergenceFound, both + ", and this server, a primary on it, has no history file for it"
	case own.end > up.flush:
		return cluster.DivergenceFound, fmt.Sprintf("%s, this server, a primary on it, wrote up to %s, the upstream to %s", both, own.end, up.flush)
	}
	return cluster.DivergenceNone, both
}

// Diverged compares this server's log with up's timeline history. The text
// says why. An upstream that cannot be asked, or is no primary, gives
// DivergenceUnknown and no error; errors are of this server.
func (s *Server) Diverged(ctx context.Context, up cluster.Upstream) (cluster.Divergence, string, error) {
	c, err := s.compare(ctx, up)
	return c.verdict, c.reason, err
}

// comparison is a verdict and what it was passed on.
type comparison struct {
	verdict cluster.Divergence
	reason  string
	// apart means that two promotions began the newest timeline in common:
	// pg_rewind, which knows timelines by number and beginning, would take the
	// logs' difference for common.
	apart bool
}

func (s *Server) compare(ctx context.Context, up cluster.Upstream) (comparison, error) {
	unknown := func(err error) comparison {
		return comparison{reason: fmt.Sprintf("upstream %s: %v", address(up), err)}
	}
	other, err := s.askUpstream(ctx, up)
	if err != nil {
		return unknown(err), nil
	}
	own, err := s.ownLog(ctx)
	if err == nil {
		own.history, err = s.ownHistory(own.timeline)
	}
	if err != nil {
		return comparison{reason: "this server's log is not known"}, fmt.Errorf("compare logs: %w", err)
	}
	if own.timeline != 0 && other.timeline > 1 {
		if other.history, err = s.askHistory(ctx, up, other.timeline); err != nil {
			return unknown(err), nil
		}
	}
	c, err := s.compareTo(ctx, up, own, other)
	if err != nil {
		return unknown(err), nil
	}
	if c.verdict == cluster.DivergenceFound && !c.apart && other.checkpointed < other.timeline && !has(other.version/perMajor, lazyCheckpoint) {
		c.verdict = cluster.DivergenceUnknown
		c.reason = fmt.Sprintf("upstream %s has not yet made a checkpoint on its timeline %d", address(up), other.timeline)
	}
	return c, nil
}

// compareTo is compareLogs, and a look at the logs themselves where the
// numbers agree: two standbys that are promoted apart take the same number,
// and the same beginning if they have received the same. The first record of
// the timeline tells them apart, as long as both still have it, and the last
// checkpoint of who was a primary, unless both made theirs in the same place
// and second.
func (s *Server) compareTo(ctx context.Context, up cluster.Upstream, own ownLog, other upstreamLog) (c comparison, err error) {
	c.verdict, c.reason = compareLogs(own, other)
	if c.apart, err = s.bornApart(ctx, up, own, other); err != nil {
		return comparison{}, err
	}
	switch {
	case c.verdict != cluster.DivergenceNone:
	case c.apart:
		c.verdict = cluster.DivergenceFound
		c.reason += ", but two promotions began the newest timeline in common"
	case own.checkpoint != 0 && own.wasPrimary():
		same, err := s.sameRecord(ctx, up, own, other)
		if err != nil {
			return comparison{}, err
		}
		if !same {
			c.verdict = cluster.DivergenceFound
			c.reason += fmt.Sprintf(", but the upstream does not have this server's last checkpoint, at %s", own.checkpoint)
		}
	}
	return c, nil
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
  c.timeline_id, pg_catalog.current_setting('server_version_num')::int,
  pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_flush_lsn(), '0/0')::bigint
FROM pg_catalog.pg_control_checkpoint() c`).Scan(&u.timeline, &u.checkpointed, &u.version, &u.flush)
	})
	return u, err
}

// askHistory fetches a timeline history file over a replication connection.
func (s *Server) askHistory(ctx context.Context, up cluster.Upstream, tl cluster.Timeline) (cluster.History, error) {
	cfg := s.config()
	var text []byte
	source := dsn(database(cfg), cfg.Replication, up, probeLimit) + " replication='true'"
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
	pm := s.find()
	if pm != nil {
		st, err := s.status(ctx)
		if err == nil && !st.in.Standby {
			return ownLog{timeline: st.in.Timeline, end: st.in.WriteLSN, kind: logUnknownEnd}, nil
		}
		if err == nil {
			return ownLog{timeline: s.replayTimeline(ctx, st.in.Timeline), end: st.in.Position()}, nil
		}
	}
	d, err := s.controlData(ctx)
	if err != nil {
		return ownLog{}, err
	}
	c := d.control()
	if !filesTell(pm != nil, c.State) {
		return ownLog{}, nil
	}
	return s.storedLog(ctx, c)
}

// filesTell reports that the control file, in that state, says what log the
// server has, or must have. While one runs that does not answer, that is so in
// archive recovery only: else it is in crash recovery, or a copy whose control
// file is still that of its source.
func filesTell(running bool, state string) bool { return !running || state == inArchiveRecovery }

// inArchiveRecovery is what the control file says of a server that replays log
// of others, also of one that pg_rewind has prepared for it.
const inArchiveRecovery = "in archive recovery"

// storedLog is what the files of a server say that is down, or does not
// answer.
func (s *Server) storedLog(ctx context.Context, c cluster.Control) (ownLog, error) {
	// Of a record that starts there, more is in the log than its start.
	o := ownLog{timeline: c.Timeline, end: c.CheckpointLSN + 1, kind: logUnknownEnd, checkpoint: c.CheckpointLSN}
	_, err := os.Lstat(filepath.Join(s.config().DataDir, "backup_label"))
	o.copied = err == nil
	switch c.State {
	case "shut down in recovery", inArchiveRecovery:
		if c.MinRecoveryLSN != 0 && c.MinRecoveryTLI != 0 {
			return ownLog{timeline: c.MinRecoveryTLI, end: c.MinRecoveryLSN}, nil
		}
	case "shut down":
	default:
		return o, nil
	}
	o.kind = logWritten
	segment, err := s.segmentSize(ctx)
	if err != nil {
		return ownLog{}, err
	}
	if end, err := endOfRecord(s.config().DataDir, c.Timeline, c.CheckpointLSN, segment); err == nil {
		o.end = end
	} // else only its start is known
	return o, nil
}

// replayTimeline asks the local server over a replication connection, which
// is exact; otherwise what the status query said has to do.
func (s *Server) replayTimeline(ctx context.Context, otherwise cluster.Timeline) cluster.Timeline {
	cfg := s.config()
	host, port := s.localAddress()
	var tl cluster.Timeline
	source := dsn(database(cfg), cfg.Replication, cluster.Upstream{Host: host, Port: port}, probeLimit) + " replication='true'"
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
