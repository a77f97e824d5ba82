package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/pgregent/pgregent/core/cluster"
)

// statusQuery reads everything in one statement, so that it belongs
// together. Positions are bytes since 0/0. The WAL receiver's columns are
// null without one. received_tli counts only once something was received.
const statusQuery = `
SELECT pg_catalog.pg_is_in_recovery(),
  pg_catalog.current_setting('server_version_num')::int,
  pg_catalog.pg_postmaster_start_time(),
  CASE WHEN pg_catalog.pg_is_in_recovery() THEN 0 ELSE
    ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int END,
  CASE WHEN pg_catalog.pg_is_in_recovery() THEN 0 ELSE
    pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_flush_lsn(), '0/0')::bigint END,
  coalesce(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_receive_lsn(), '0/0')::bigint, 0),
  coalesce(pg_catalog.pg_wal_lsn_diff(w.written_lsn, '0/0')::bigint, 0),
  coalesce(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_replay_lsn(), '0/0')::bigint, 0),
  pg_catalog.pg_last_xact_replay_timestamp(),
  CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_is_wal_replay_paused() ELSE false END,
  coalesce(w.status, ''),
  coalesce(pg_catalog.pg_wal_lsn_diff(w.latest_end_lsn, '0/0')::bigint, 0),
  CASE WHEN w.latest_end_lsn IS NULL THEN 0 ELSE coalesce(w.received_tli, 0) END,
  coalesce(w.sender_host, ''), coalesce(w.sender_port, 0),
  pg_catalog.current_setting('restore_command'),
  pg_catalog.current_setting('synchronous_standby_names'), pg_catalog.current_setting('synchronous_commit'),
  c.timeline_id,
  coalesce(r.min_recovery_end_timeline, 0),
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'user', usename, 'app', application_name, 'addr', client_addr, 'state', state,
      'sync', sync_state, 'prio', sync_priority,
      'write', pg_catalog.pg_wal_lsn_diff(write_lsn, '0/0')::bigint,
      'flush', pg_catalog.pg_wal_lsn_diff(flush_lsn, '0/0')::bigint,
      'replay', pg_catalog.pg_wal_lsn_diff(replay_lsn, '0/0')::bigint))
    FROM pg_catalog.pg_stat_replication)
FROM pg_catalog.pg_control_checkpoint() c
  CROSS JOIN pg_catalog.pg_control_recovery() r
  LEFT JOIN pg_catalog.pg_stat_get_wal_receiver() w ON true`

// status is one answer to statusQuery.
type status struct{ in cluster.Instance }

// walSenderRow is one element of the JSON list in statusQuery.
type walSenderRow struct {
	User   string  `json:"user"`
	App    string  `json:"app"`
	Addr   *string `json:"addr"` // null for a unix socket
	State  string  `json:"state"`
	Sync   string  `json:"sync"`
	Prio   int     `json:"prio"`
	Write  *int64  `json:"write"` // null before the first report
	Flush  *int64  `json:"flush"`
	Replay *int64  `json:"replay"`
}

// status runs the status query.
func (s *Server) status(ctx context.Context) (status, error) {
	db, err := s.pool()
	if err != nil {
		return status{}, err
	}
	var (
		st                                            status
		in                                            = &st.in
		written, receive, replay, write, latest       int64
		walTLI, receivedTLI, checkpointTLI, minRecTLI int64
		replayedAt                                    sql.NullTime
		receiver, restore                             string
		senders                                       []byte
	)
	err = db.QueryRowContext(ctx, statusQuery).Scan(
		&in.Standby, &in.ServerVersion, &in.StartTime, &walTLI, &write, &receive, &written, &replay,
		&replayedAt, &in.ReplayPaused, &receiver, &latest, &receivedTLI, &in.UpstreamHost, &in.UpstreamPort,
		&restore, &in.SyncNames, &in.SyncCommit, &checkpointTLI, &minRecTLI, &senders)
	if err != nil {
		return status{}, fmt.Errorf("ask for status: %w", translate(err))
	}
	in.Ready = true
	in.LatestEndLSN = cluster.LSN(latest)
	if in.Standby {
		in.ReceiveLSN, in.ReplayLSN = cluster.LSN(max(receive, written)), cluster.LSN(replay)
		in.ReplayedAt = replayedAt.Time
		in.Timeline = cluster.Timeline(max(receivedTLI, checkpointTLI, minRecTLI))
		switch {
		case receiver == "streaming":
			in.ReplicationState = receiver
		case restore != "":
			in.ReplicationState = "in archive recovery"
		}
	} else {
		in.WriteLSN, in.Timeline = cluster.LSN(write), cluster.Timeline(walTLI)
	}
	in.CheckpointTimeline = cluster.Timeline(checkpointTLI)
	in.Replication, err = parseSenders(senders)
	return st, err
}

func parseSenders(text []byte) ([]cluster.WALSender, error) {
	if len(text) == 0 {
		return nil, nil
	}
	var rows []walSenderRow
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, fmt.Errorf("read pg_stat_replication: %w", err)
	}
	list := make([]cluster.WALSender, 0, len(rows))
	for _, r := range rows {
		w := cluster.WALSender{User: r.User, ApplicationName: r.App, State: r.State, SyncState: r.Sync, SyncPriority: r.Prio}
		if r.Addr != nil {
			w.ClientAddr = *r.Addr
		}
		for from, to := range map[*int64]*cluster.LSN{r.Write: &w.WriteLSN, r.Flush: &w.FlushLSN, r.Replay: &w.ReplayLSN} {
			if from != nil {
				*to = cluster.LSN(*from)
			}
		}
		list = append(list, w)
	}
	return list, nil
}
