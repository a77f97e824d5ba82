package zkdcs

import (
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
)

// What a call on a link may return besides the client's errors.
var (
	// errNotSent means that the request was not handed to the client.
	errNotSent = errors.New("not connected")
	// errNoName means that a store without a member name was to own something.
	errNoName = errors.New("store has no member name")
	// errAbandoned means that the context ended before the answer came.
	errAbandoned = errors.New("no answer in time")
)

// answers are the client's errors that a server's answer stands behind: the
// request was refused and nothing has been changed.
var answers = []error{
	zk.ErrNoNode, zk.ErrNodeExists, zk.ErrBadVersion, zk.ErrNotEmpty, zk.ErrNoAuth, zk.ErrAuthFailed,
	zk.ErrNoChildrenForEphemerals, zk.ErrInvalidACL, zk.ErrBadArguments, zk.ErrInvalidPath,
}

// answered reports whether err, of a request, was the server's answer.
func answered(err error) bool {
	for _, a := range answers {
		if errors.Is(err, a) {
			return true
		}
	}
	return false
}

// readError translates the error of a read.
func readError(err error) error {
	if err == nil {
		return nil
	}
	if answered(err) {
		return refused(err)
	}
	return fmt.Errorf("%w: %s", cluster.ErrUnreachable, err)
}

// refused is the server's no, with what a person can do about it.
func refused(err error) error {
	hint := ""
	switch {
	case errors.Is(err, zk.ErrNoAuth):
		hint = "; the ACL of the znode does not admit this agent: compare zookeeper.set_acls, auth_data and cert of all members"
	case errors.Is(err, zk.ErrAuthFailed):
		hint = "; the servers do not take the credentials of zookeeper.auth_data"
	case errors.Is(err, zk.ErrInvalidACL):
		hint = "; the servers do not know a scheme of zookeeper.set_acls, or its principal is malformed"
	}
	return fmt.Errorf("refused by ZooKeeper: %s%s", err, hint)
}

// writeError translates the error of a write. A write that got no answer may
// have been applied, whatever the client says.
func writeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNotSent):
		return fmt.Errorf("%w: %s", cluster.ErrUnreachable, err)
	case errors.Is(err, zk.ErrBadVersion), errors.Is(err, zk.ErrNodeExists), errors.Is(err, zk.ErrNoNode):
		return fmt.Errorf("%w: %s", cluster.ErrConflict, err)
	case answered(err):
		return refused(err)
	}
	return fmt.Errorf("%w: %s", cluster.ErrOutcomeUnknown, err)
}

// callerError translates err unless it is a word of core/cluster already.
func callerError(err error) error {
	for _, own := range []error{
		cluster.ErrNameInUse, cluster.ErrConflict, cluster.ErrUnreachable, cluster.ErrOutcomeUnknown, cluster.ErrNotLeader,
	} {
		if errors.Is(err, own) {
			return err
		}
	}
	return writeError(err)
}
