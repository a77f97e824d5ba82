package zkdcs

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
)

// SetMember creates or updates the own ephemeral member key, and does nothing
// if data is what was last written. It returns cluster.ErrNameInUse while
// another session owns that key or the registration: it is not deleted unless
// Inherit allowed it, because its owner may be a live primary. A former session
// of this very agent ends by itself within its timeout.
func (s *Store) SetMember(ctx context.Context, data cluster.MemberData) error {
	if err := s.setMember(ctx, data); err != nil {
		return fmt.Errorf("write member %s: %w", s.opts.Name, err)
	}
	return nil
}

func (s *Store) setMember(ctx context.Context, data cluster.MemberData) error {
	if s.opts.Name == "" {
		return errNoName
	}
	text, err := cluster.EncodeJSON(data)
	if err != nil {
		return err
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	l, sess, err := s.connected()
	if err != nil {
		return err
	}
	s.mu.Lock()
	written, announcing := s.sess.member, s.announcing
	s.mu.Unlock()
	if written != nil && bytes.Equal(written, text) {
		return nil
	}
	if err := s.claimName(ctx, l, sess); err != nil {
		return err
	}
	version, err := s.writeMember(ctx, l, sess, text)
	if err != nil {
		s.forgetMember(sess) // what is there now is not known
		return callerError(err)
	}
	if announcing && written != nil && unseen(cluster.ParseMember(s.opts.Name, written).Data, data) {
		s.announce(ctx, l, text, version)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sess.session.ID == sess.ID {
		s.sess.member = text
	}
	return nil
}

// MemberCurrent reports that the own member key exists in this session with
// what was last written, as far as is known: it turns false when a write of
// it had no clear outcome, and when a Load finds that somebody removed it.
func (s *Store) MemberCurrent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sess.member != nil && s.sess.session.ID != 0
}

// writeMember sets the key, which claimName has found absent or ours, and
// returns its version.
func (s *Store) writeMember(ctx context.Context, l *link, sess Session, text []byte) (int32, error) {
	path := s.paths.member(s.opts.Name)
	results, _, err := write(ctx, l, opSet(path, text, -1))
	switch {
	case err == nil && results[0].Stat != nil && results[0].Stat.EphemeralOwner != sess.ID:
		return 0, cluster.ErrNameInUse
	case err == nil && results[0].Stat != nil:
		return results[0].Stat.Version, nil
	case !errors.Is(err, zk.ErrNoNode):
		return 0, err
	}
	err = createNode(ctx, l, path, text, zk.FlagEphemeral)
	if errors.Is(err, zk.ErrNodeExists) {
		return 0, cluster.ErrNameInUse
	}
	return 0, err
}

func (s *Store) forgetMember(sess Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sess.session.ID == sess.ID {
		s.sess.member = nil
	}
}

// claimName makes sure that this session has the member name: its
// registration, and nobody else's member key. Once the own member key is
// written it needs no request.
func (s *Store) claimName(ctx context.Context, l *link, sess Session) error {
	if s.opts.Name == "" {
		return errNoName
	}
	s.mu.Lock()
	registered, written := s.sess.registered, s.sess.member != nil
	s.mu.Unlock()
	if !registered {
		if err := s.register(ctx, l, sess); err != nil {
			return err
		}
	}
	if written {
		return nil
	}
	n, err := readNode(ctx, l, s.paths.member(s.opts.Name))
	if err != nil {
		return readError(err)
	}
	if n.exists && n.stat.EphemeralOwner != sess.ID {
		return s.inheritMember(ctx, l)
	}
	return nil
}
