package rest

import (
	"context"
	"errors"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
)

// Backend is the agent behind the API. All methods may be called
// concurrently and return when their context ends.
type Backend interface {
	// Status returns the newest published status, nil before the first. It
	// reads memory only and never blocks.
	Status() *cluster.NodeStatus
	// Fresh observes the local PostgreSQL now and returns the status with
	// that observation. It never fails: a server that does not answer is
	// shown as such.
	Fresh(ctx context.Context) *cluster.NodeStatus
	// LoadCluster reads the view from the store, not from a cache.
	LoadCluster(ctx context.Context) (*cluster.Cluster, error)
	// WaitCluster returns the first view, the current one included, that
	// satisfies done, or the context's error. It waits for changes; done
	// may be called from another goroutine, one call at a time.
	WaitCluster(ctx context.Context, done func(*cluster.Cluster) bool) (*cluster.Cluster, error)
	// SetFailover replaces the failover key; a blank request clears it.
	// version is the condition. Errors are those of core/cluster.
	SetFailover(ctx context.Context, f cluster.Failover, version int32) error
	// SetConfig replaces the dynamic configuration, under the same terms.
	SetConfig(ctx context.Context, o *cluster.Object, version int32) error
	// Restart restarts PostgreSQL and returns when it accepts connections.
	// It returns ErrConditions, ErrStillStarting, a *BusyError, or what else
	// went wrong. Its filters have been compared with Status already.
	Restart(ctx context.Context, r RestartRequest) error
	// ScheduleRestart keeps the restart for r.At. It returns ErrScheduled if
	// another one is kept already, or what went wrong.
	ScheduleRestart(ctx context.Context, r RestartRequest) error
	// CancelRestart drops a scheduled restart; false if there is none.
	CancelRestart(ctx context.Context) (bool, error)
	// Reinitialize starts to replace the data directory by a fresh copy and
	// returns at once. force ends other work first; fromLeader copies from
	// the leader only. It returns a *BusyError while other work goes on.
	Reinitialize(ctx context.Context, force, fromLeader bool) error
	// Failsafe promises a leader that lost the store not to race. It returns
	// ErrFailsafeOff, ErrLeading, or why else there is no promise.
	Failsafe(ctx context.Context, r FailsafeRequest) (FailsafeGrant, error)
	// NextStatus returns the first published status that is not last, or the
	// context's error.
	NextStatus(ctx context.Context, last *cluster.NodeStatus) (*cluster.NodeStatus, error)
	// WhatIf asks who would lead if those members were down.
	WhatIf(ctx context.Context, down []string) (decide.Outcome, error)
	// Reload has the local configuration read again, soon.
	Reload()
	// Wake lets the next decision come now.
	Wake()
	// Peers asks members for their status, in parallel and within a short
	// limit of its own, and returns one answer for each.
	Peers(ctx context.Context, members []cluster.Member) []Candidate
}

// Candidate is what a member said of its fitness to become the leader.
type Candidate struct {
	Name           string
	Reachable      bool
	NoFailover     bool
	WatchdogFailed bool
}

func (c Candidate) usable() bool { return c.Reachable && !c.NoFailover && !c.WatchdogFailed }

// RestartRequest is a restart with its filters.
type RestartRequest struct {
	// Role restarts only a node of that role; "" for any.
	Role cluster.Role
	// PostgresVersion restarts only a server older than that, in the style
	// of server_version_num; 0 for any.
	PostgresVersion int
	// Pending restarts only if settings wait for a restart.
	Pending bool
	// Timeout is how long the start may take.
	Timeout time.Duration
	// At is zero for a restart now. Shown is a scheduled request as it was
	// made, for other readers; nil for one now.
	At    time.Time
	Shown *cluster.Object
}

// matches compares the filters with what is known of the node.
func (r RestartRequest) matches(s *cluster.NodeStatus) bool {
	switch {
	case r.Role != "" && r.Role != s.Role:
		return false
	case r.PostgresVersion != 0 && r.PostgresVersion <= s.Instance.ServerVersion:
		return false
	}
	return !r.Pending || s.Instance.PendingRestart
}

// What a Backend says when it does not do as told.
var (
	// ErrConditions means that a restart's filters do not match (any more).
	ErrConditions = errors.New("restart conditions are not satisfied")
	// ErrScheduled means that another restart is scheduled.
	ErrScheduled = errors.New("another restart is already scheduled")
	// ErrStillStarting means that PostgreSQL did not accept connections
	// within the time-out, and is still trying.
	ErrStillStarting = errors.New("postgres is still starting")
)

// BusyError means that other long work is under way.
type BusyError struct {
	// Action names that work: "restart", "reinitialize", ...
	Action string
}

func (e *BusyError) Error() string { return e.Action + " already in progress" }
