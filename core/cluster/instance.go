package cluster

import "time"

// Instance is what one agent knows about its local PostgreSQL at one moment.
type Instance struct {
	State State
	// DataEmpty means that there is no data directory, or nothing in it.
	DataEmpty bool
	// DataProblem says why the data directory cannot be used (unreadable,
	// of another user, no control file); "" if it can.
	DataProblem string
	// DiskProblem says why the server cannot write to its file systems (full,
	// read-only), whether it runs or not; "" if it can.
	DiskProblem string
	// SystemID is from the control file; "" if unknown.
	SystemID string
	// Running means that the postmaster process lives. Ready means that it
	// answered the status query, and that the fields below Control are of
	// this moment.
	Running bool
	Ready   bool
	// Pid is the postmaster's, 0 when it does not run.
	Pid int
	// Control is read from the control file when PostgreSQL is down.
	Control Control
	// Standby reports: with Ready, that the server is in recovery; else that
	// a standby.signal or recovery.signal file is present.
	Standby       bool
	ServerVersion int // 150005 style; 0 if unknown
	StartTime     time.Time
	Timeline      Timeline // of the WAL it writes, or receives or replays; 0 if unknown
	// History is the history file of Timeline: where its log has left which
	// older timeline. Nil if unknown.
	History History
	// CheckpointTimeline is of the last checkpoint of a server that answers;
	// 0 if unknown.
	CheckpointTimeline Timeline
	// WriteLSN is a primary's flush position; 0 in recovery.
	WriteLSN LSN
	// ReceiveLSN and ReplayLSN are a standby's; 0 on a primary.
	ReceiveLSN   LSN
	ReplayLSN    LSN
	ReplayedAt   time.Time // commit time of the last replayed transaction; zero if none
	ReplayPaused bool
	// ReplayStalled means that the server paused replay by itself, as it needs
	// higher settings: it can be promoted, and goes on, after a restart only.
	ReplayStalled    bool
	ReplicationState string // "streaming", "in archive recovery" or ""
	LatestEndLSN     LSN    // leader position last told to the WAL receiver
	UpstreamHost     string // of the running WAL receiver, as configured
	UpstreamPort     int
	Replication      []WALSender
	// SyncNames is synchronous_standby_names in force, SyncCommit is
	// synchronous_commit. SyncManaged means that the names are the agent's,
	// not the configuration's.
	SyncNames      string
	SyncCommit     string
	SyncManaged    bool
	PendingRestart bool
	PendingReason  *Object
	// Err is why the status query failed while Running; "" otherwise.
	Err string
}

// Control is the part of pg_control that decisions need.
type Control struct {
	// State is the text of pg_controldata: "in production", "shut down", ...
	State          string
	CheckpointLSN  LSN
	Timeline       Timeline
	MinRecoveryLSN LSN
	MinRecoveryTLI Timeline
	// RewindPossible means wal_log_hints or data checksums are on.
	RewindPossible bool
}

// WALSender is one row of pg_stat_replication.
type WALSender struct {
	User            string
	ApplicationName string
	ClientAddr      string // "" for a unix socket
	State           string
	SyncState       string
	SyncPriority    int
	WriteLSN        LSN
	FlushLSN        LSN
	ReplayLSN       LSN
}

// Primary reports that the server runs and is not in recovery. Only with
// Ready is this certain; without it, it is the last thing that was known.
func (i Instance) Primary() bool { return i.Running && !i.Standby }

// Position is how much of the log this server has: what a primary flushed,
// or the larger of what a standby received and replayed.
func (i Instance) Position() LSN {
	if !i.Standby {
		return i.WriteLSN
	}
	return max(i.ReceiveLSN, i.ReplayLSN)
}

// Upstream is a server to stream or to copy from.
type Upstream struct {
	// Name is the member's, "" for a server outside the cluster.
	Name string
	Host string
	Port int
	// Remote is what else is known of the server that a standby cluster
	// follows; Host may be a list then, and is "" for an archive only. nil for
	// a member.
	Remote *StandbyCluster
	// Plain means that a copy is to be made by pg_basebackup and nothing else.
	Plain bool
}

// StartOptions tell how PostgreSQL is to be started.
type StartOptions struct {
	// Standby starts in recovery, following Upstream (nil: nobody).
	Standby  bool
	Upstream *Upstream
	// Timeout bounds the wait until it accepts connections.
	Timeout time.Duration
}

// StopMode is how PostgreSQL is asked to stop.
type StopMode int

// Fast ends all sessions and writes a checkpoint. Immediate ends at once and
// leaves crash recovery to the next start.
const (
	StopFast StopMode = iota
	StopImmediate
)

// Divergence is the verdict on a standby-to-be against its upstream.
type Divergence int

// The verdicts. DivergenceUnknown: the upstream could not be asked or is not
// ready to be asked (no checkpoint on its timeline yet); ask again.
const (
	DivergenceUnknown Divergence = iota
	DivergenceNone
	DivergenceFound
)
