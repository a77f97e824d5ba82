package cluster

import "errors"

// What callers branch on. Adapters wrap these with what they were doing.
var (
	// ErrBadLSN means that a text is not a write-ahead log position.
	ErrBadLSN = errors.New("not a write-ahead log position")
	// ErrOutcomeUnknown means that a write was sent and no answer came: it
	// may or may not have been applied. Read back before acting on it.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrUnreachable means that the store did not answer and that nothing
	// was changed by this call.
	ErrUnreachable = errors.New("store unreachable")
	// ErrConflict means that a conditional write lost: the key was changed,
	// created or removed by somebody else.
	ErrConflict = errors.New("changed by somebody else")
	// ErrNotLeader means that a write that only the leader may do was
	// refused because the leader znode is not this session's.
	ErrNotLeader = errors.New("not the leader")
	// ErrCannotRewind means that pg_rewind has nothing to do on a log that
	// has diverged all the same: trying again is of no use.
	ErrCannotRewind = errors.New("pg_rewind cannot help, the data must be copied anew")
	// ErrNameInUse means that another live session has registered this
	// member name.
	ErrNameInUse = errors.New("member name is in use by another agent")
)
