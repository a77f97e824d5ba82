package zkdcs

import (
	"context"
	"errors"
	"log/slog"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/lease"
)

// Inherit allows this session to replace the member key, and with it the
// leader znode, that another session has left under this member's name. The
// caller knows that the agent of that session is gone: only its session is
// not, because that agent was not ours and did not close it.
func (s *Store) Inherit(session int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.former = session
}

// estate is what the former session still owns.
type estate struct {
	member znode // exists only if it is the former session's
	leads  bool  // so is the leader znode, under this member's name
}

func (s *Store) readEstate(ctx context.Context, l *link) (estate, error) {
	s.mu.Lock()
	former := s.former
	s.mu.Unlock()
	if former == 0 {
		return estate{}, nil
	}
	member, err := readNode(ctx, l, s.paths.member(s.opts.Name))
	if err != nil || !member.exists || member.stat.EphemeralOwner != former {
		return estate{}, err
	}
	leader, err := readNode(ctx, l, s.paths.of(keyLeader))
	return estate{
		member: member,
		leads:  err == nil && leader.exists && leader.stat.EphemeralOwner == former && string(leader.data) == s.opts.Name,
	}, err
}

// replaced is the transaction that makes the member key this session's. Its
// deletion is also the proof that the former session has not expired: what
// else it was seen to own is still its own.
func (s *Store) replaced(e estate) []any {
	path := s.paths.member(s.opts.Name)
	return []any{opDelete(path, e.member.stat.Version), opCreate(path, e.member.data, zk.FlagEphemeral)}
}

// inheritMember replaces the former session's member key. ErrNameInUse means
// that there is none, or that it has to wait: a leader znode without the
// member key of its session could not be told from a stranger's.
func (s *Store) inheritMember(ctx context.Context, l *link) error {
	e, err := s.readEstate(ctx, l)
	switch {
	case err != nil:
		return readError(err)
	case !e.member.exists || e.leads:
		return cluster.ErrNameInUse
	}
	_, _, err = write(ctx, l, s.replaced(e)...)
	if err = changedMeanwhile(err); errors.Is(err, errRetry) {
		return cluster.ErrNameInUse
	} else if err != nil {
		return err
	}
	s.log.Info("member key of the former agent replaced", slog.String("session", hex(e.member.stat.EphemeralOwner)))
	return nil
}

// inheritLeader replaces member key and leader znode of the former session in
// one transaction, so that the lock is never free in between. done is false
// if that session does not lead.
func (s *Store) inheritLeader(ctx context.Context, l *link, sess Session) (won, done bool, err error) {
	e, err := s.readEstate(ctx, l)
	if err != nil {
		return false, true, readError(err)
	}
	if !e.leads {
		return false, false, nil
	}
	if err := s.register(ctx, l, sess); err != nil {
		return false, true, err
	}
	// Read before the estate: see inheritance.
	registered, err := readNode(ctx, l, s.paths.registration(s.opts.Name))
	if err != nil {
		return false, true, readError(err)
	}
	if e, err = s.readEstate(ctx, l); err != nil {
		return false, true, readError(err)
	}
	if !e.leads {
		return false, true, errRetry
	}
	ops := s.inheritance(e, registered.stat.Version)
	sent := lease.Now()
	results, _, err := write(ctx, l, ops...)
	answer := lease.Now()
	if err != nil {
		return false, true, changedMeanwhile(err)
	}
	s.log.Info("leader lock of the former agent taken over", slog.String("session", hex(e.member.stat.EphemeralOwner)))
	won, err = s.won(ctx, l, sess, proof{sent, answer, results[len(results)-1].Stat.Version})
	return won, true, err
}

// inheritance is the transaction that replaces member key and leader znode.
// registered is the version of the own registration before e was read. An
// earlier attempt without answer has written that too, so only one of the two
// can be applied: the znodes that it makes have the versions of those that it
// replaces.
func (s *Store) inheritance(e estate, registered int32) []any {
	leader := s.paths.of(keyLeader)
	return append(s.replaced(e), opDelete(leader, 0), opCreate(leader, []byte(s.opts.Name), zk.FlagEphemeral),
		opSet(s.paths.registration(s.opts.Name), []byte(s.opts.InstanceID), registered), opBeginReign(s.paths))
}

// changedMeanwhile asks for another attempt if the estate was not what it had
// been read as.
func changedMeanwhile(err error) error {
	for _, e := range []error{zk.ErrNoNode, zk.ErrBadVersion, zk.ErrNodeExists} {
		if errors.Is(err, e) {
			return errRetry
		}
	}
	return writeError(err)
}
