package agent

import (
	"context"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

// Store is the distributed store. zkdcs implements it. No call outlives its
// context, and none hangs while the store is unreachable: it returns
// cluster.ErrUnreachable at once instead.
type Store interface {
	// Load returns the current view: the cached one while no watch has said
	// that it is stale, else a fresh one. It is read-only.
	Load(ctx context.Context) (*cluster.Cluster, error)
	// Invalidate makes the next Load read everything again.
	Invalidate()
	// Changed receives a value after a watch fired, a session came or went,
	// or the lease was renewed after a gap. Values are coalesced.
	Changed() <-chan struct{}
	// Lease is the lease on the leader znode of this session; the zero value
	// if this session does not own it.
	Lease() lease.Lease
	// SessionID is the session that owns the ephemerals, 0 if there is none
	// now.
	SessionID() int64

	// Acquire creates the leader znode and, in the same transaction, blanks
	// the failover key with the version of view and checks that an active sync
	// key is the one in view (cluster.ErrConflict). It reports false, and no
	// error, if another member was faster. After an unknown outcome it has
	// read back who the owner is. On true, Lease is held.
	Acquire(ctx context.Context, view *cluster.Cluster) (bool, error)
	// SetTimeouts changes the session timeout to ask for and the limit of one
	// operation with its retries.
	SetTimeouts(session, retry time.Duration)
	// Release writes status and deletes the leader znode in one transaction
	// of the owning session. Lease is over from the moment of the call. It
	// waits for a connection until ctx ends; what was not done by then is
	// retried by the store itself.
	Release(ctx context.Context, status cluster.Status) error
	// Abandon gives the lease up locally without touching the znode.
	Abandon()
	// DropSession ends that session, if it is the present one, and begins
	// another. Its lease is over from the moment of the call, and it is never
	// resumed; its ephemerals go as soon as the store answers, at the latest
	// with its timeout.
	DropSession(session int64)

	// SetMember creates or updates the own ephemeral member key. It is
	// written only if it differs from what was last written. It returns
	// cluster.ErrNameInUse while another live session owns the key.
	SetMember(ctx context.Context, data cluster.MemberData) error
	// MemberCurrent reports that the own member key exists in this session
	// with what was last written.
	MemberCurrent() bool
	// SetStatus, SetHistory and SetFailsafe are writes of the leader: they
	// are refused with cluster.ErrNotLeader once the znode is not ours.
	SetStatus(ctx context.Context, s cluster.Status) error
	SetHistory(ctx context.Context, h cluster.History) error
	SetFailsafe(ctx context.Context, members map[string]string) error
	// SetSync replaces the sync key, as leader, if it has that version
	// (cluster.NoVersion: does not exist), else cluster.ErrConflict. It
	// returns the new version.
	SetSync(ctx context.Context, s cluster.SyncState, version int32) (int32, error)
	// CheckSync reports cluster.ErrConflict if the sync key has another version
	// than that, or this session does not hold the lock. It is answered in the
	// order of the session's writes, by a quorum.
	CheckSync(ctx context.Context, version int32) error
	// SetFailover replaces the request; a blank one clears it. version is a
	// condition (cluster.AnyVersion: none, cluster.NoVersion: must be new).
	SetFailover(ctx context.Context, f cluster.Failover, version int32) error
	// SetConfig replaces the dynamic configuration.
	SetConfig(ctx context.Context, o *cluster.Object, version int32) error
	// CreateInitialize wins the bootstrap race (true) or loses it (false).
	CreateInitialize(ctx context.Context) (bool, error)
	// SetInitialize writes the system identifier, creating the key if need be.
	// It never replaces another valid one (cluster.ErrConflict).
	SetInitialize(ctx context.Context, systemID string) error
	// DeleteInitialize gives a failed bootstrap up.
	DeleteInitialize(ctx context.Context) error
}

// StartOptions tell how PostgreSQL is to be started.
type StartOptions = cluster.StartOptions

// Postgres is the local PostgreSQL. core/postgres implements it. Calls that
// change the instance are made by one job at a time; Observe, Exited and
// Kill may be called at any moment.
type Postgres interface {
	// Observe looks at the process, the files and, when it runs, asks the
	// server once. It does not return errors: what is wrong is in the value.
	Observe(ctx context.Context) cluster.Instance
	// Events receives a value when the postmaster exits, or its control
	// file's state changes. Values are coalesced.
	Events() <-chan struct{}

	// Initdb creates a new data directory and its configuration.
	Initdb(ctx context.Context) error
	// PostBootstrap creates the roles and runs the post_bootstrap command on
	// the running primary.
	PostBootstrap(ctx context.Context) error
	// Start writes the configuration and starts the server; it returns when
	// connections are accepted (nil), or with the reason why not.
	Start(ctx context.Context, o StartOptions) error
	// Stop stops the server and every process of it. A fast stop writes a
	// checkpoint first if checkpoint is set. onShutdown, if not nil, is
	// called once, as soon as the shutdown checkpoint is in the control
	// file, with the end of its record.
	Stop(ctx context.Context, mode cluster.StopMode, checkpoint bool, onShutdown func(cluster.LSN)) error
	// Kill sends SIGKILL to every process of the instance, orphans of a dead
	// postmaster included. It returns when the signals are queued.
	Kill() error
	// Promote asks the running standby to promote and returns when it
	// accepts writes.
	Promote(ctx context.Context) error
	// SetSyncNames sets synchronous_standby_names on the running server,
	// primary or standby, and keeps it over restarts; nil restores what the
	// configuration says. It returns when the server has read it. On a primary
	// the result is a position up to which commits may have been confirmed
	// under the former value.
	SetSyncNames(ctx context.Context, names *cluster.SyncNames) (cluster.LSN, error)
	// Follow points the running standby at another upstream (nil: nobody),
	// by reload where the version allows, else by restart.
	Follow(ctx context.Context, up *cluster.Upstream) error
	// Clone replaces the (empty or unusable) data directory by a copy of up.
	Clone(ctx context.Context, up cluster.Upstream) error
	// Diverged compares this server's log with up's timeline history.
	Diverged(ctx context.Context, up cluster.Upstream) (cluster.Divergence, string, error)
	// Rewind runs pg_rewind from up on the stopped data directory.
	Rewind(ctx context.Context, up cluster.Upstream) error
	// RemoveData empties the data directory; MoveDataAside renames it to
	// <data_dir>.failed.
	RemoveData() error
	MoveDataAside() error
	// Archive hands what is not archived yet of the log of the stopped server
	// to archive_command, the last segment too. Without archiving it does
	// nothing.
	Archive(ctx context.Context) error
	// Checkpoint runs CHECKPOINT.
	Checkpoint(ctx context.Context) error
	// Slots carries out changes in order and returns the replication slots
	// that there are then, by name; without changes it only looks. What fails
	// for one slot is logged, and told only by the result. Temporary slots and
	// those that PostgreSQL synchronizes itself are not among them. It may be
	// called beside a job; it can take long when logical slots are changed,
	// and ends when ctx does.
	Slots(ctx context.Context, changes []cluster.SlotChange) ([]cluster.Slot, error)
	// UpstreamSlots lists the slots of another server.
	UpstreamSlots(ctx context.Context, up cluster.Upstream) ([]cluster.Slot, error)
	// CopySlots makes logical slots of the running standby copies of those of
	// the primary up, and restarts it for that with o. If none of them can be
	// copied, it returns an error and leaves the server alone; else it calls
	// before, then stops the server.
	CopySlots(ctx context.Context, up cluster.Upstream, names []string, o StartOptions, before func(context.Context)) error
	// TimelineHistory reads the rows of the current timeline's history file;
	// empty on timeline 1.
	TimelineHistory(ctx context.Context) (cluster.History, error)
	// Configure takes over new local and dynamic configuration, writes the
	// files and reloads the running server.
	Configure(ctx context.Context, dynamic *cluster.Object) error
	// Wants reports whether the running standby must be pointed elsewhere to
	// follow up (nil: nobody).
	Wants(up *cluster.Upstream) bool
}

// PeerAnswer is what another member's REST API said of itself.
type PeerAnswer = decide.Peer

// Peers asks other members. rest/client implements it through cmd/pgregent.
type Peers interface {
	// Ask requests every member's status in parallel. It returns one answer
	// for each, reachable or not, within a second.
	Ask(ctx context.Context, members []cluster.Member) []PeerAnswer
	// Alive reports whether anything answers /liveness at that API URL, and
	// the instance id that it gave, if it is one of ours.
	Alive(ctx context.Context, apiURL string) (alive bool, instanceID string)
	// Failsafe asks the members, names to api_urls, in parallel not to race.
	// It returns one answer for each within a second.
	Failsafe(ctx context.Context, members map[string]string, call FailsafeCall) []FailsafeAnswer
}

// FailsafeCall is what a leader that lost the store says of itself.
type FailsafeCall struct {
	Name, ConnURL, APIURL string
	// Slots are positions by slot name, the leader's own among them.
	Slots map[string]cluster.LSN
}

// FailsafeAnswer is what a member answered to it.
type FailsafeAnswer struct {
	Name string
	// Accepted means that it will not race for For, counted from its receipt,
	// or for its ttl if that is 0. Err says why not.
	Accepted bool
	Err      string
	For      time.Duration
}
