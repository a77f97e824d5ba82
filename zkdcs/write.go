package zkdcs

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/cluster"
)

// SetStatus writes the status key as leader.
func (s *Store) SetStatus(ctx context.Context, status cluster.Status) error {
	return s.leaderWrite(ctx, keyStatus, status.Encode())
}

// SetHistory writes the history key as leader.
func (s *Store) SetHistory(ctx context.Context, h cluster.History) error {
	text, err := cluster.EncodeJSON(h)
	if err != nil {
		return fmt.Errorf("write %s: %w", keyHistory, err)
	}
	return s.leaderWrite(ctx, keyHistory, text)
}

// SetSync replaces the sync key, as leader, if it has that version (NoVersion:
// it does not exist). It returns the new version, or cluster.ErrConflict.
func (s *Store) SetSync(ctx context.Context, state cluster.SyncState, version int32) (int32, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	defer s.view.touch(keySync)
	next, err := s.setSync(ctx, state, version)
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", keySync, err)
	}
	return next, nil
}

func (s *Store) setSync(ctx context.Context, state cluster.SyncState, version int32) (int32, error) {
	l, sess, own, err := s.present()
	if err != nil {
		return 0, err
	}
	path, next := s.paths.of(keySync), version+1
	op := any(opSet(path, state.Encode(), version))
	if version == cluster.NoVersion {
		op, next = opCreate(path, state.Encode(), 0), 0
	}
	_, err = s.asLeader(ctx, l, sess, own, op)
	err = callerError(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.sess.own != own:
	case err == nil:
		s.sess.syncAtLeast = next
	case errors.Is(err, cluster.ErrOutcomeUnknown):
		s.sess.syncDoubt = true
	}
	return next, err
}

// CheckSync reports cluster.ErrConflict if the sync key has another version,
// or cluster.ErrNotLeader. It goes through a quorum, after all writes of this
// session.
func (s *Store) CheckSync(ctx context.Context, version int32) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	l, sess, own, err := s.present()
	if err == nil {
		_, err = s.asLeader(ctx, l, sess, own, &zk.CheckVersionRequest{Path: s.paths.of(keySync), Version: version})
		err = callerError(err)
	}
	if err != nil {
		s.view.touch(keySync)
		return fmt.Errorf("check %s: %w", keySync, err)
	}
	return nil
}

// SetFailover replaces the request; a blank one clears it. version is a
// condition: AnyVersion for none, NoVersion for "must be new".
func (s *Store) SetFailover(ctx context.Context, f cluster.Failover, version int32) error {
	return s.put(ctx, keyFailover, f.Encode(), version)
}

// SetConfig replaces the dynamic configuration; version as for SetFailover.
func (s *Store) SetConfig(ctx context.Context, o *cluster.Object, version int32) error {
	text, err := cluster.EncodeJSON(o)
	if err != nil {
		return fmt.Errorf("write %s: %w", keyConfig, err)
	}
	return s.put(ctx, keyConfig, text, version)
}

// CreateInitialize wins the bootstrap race (true) or loses it (false).
func (s *Store) CreateInitialize(ctx context.Context) (bool, error) {
	err := s.put(ctx, keyInitialize, nil, cluster.NoVersion)
	if errors.Is(err, cluster.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// initializeAttempts bounds the tries of SetInitialize: others that write the
// key at the same time write it once or twice in the life of a cluster.
const initializeAttempts = 4

// SetInitialize writes the system identifier, creating the key if need be. It
// never replaces another valid identifier: that is cluster.ErrConflict.
func (s *Store) SetInitialize(ctx context.Context, systemID string) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	defer s.view.touch(keyInitialize)
	l, _, err := s.connected()
	if err != nil {
		return fmt.Errorf("write %s: %w", keyInitialize, err)
	}
	for range initializeAttempts {
		if err = s.setInitialize(ctx, l, systemID); !errors.Is(err, errRetry) {
			break
		}
	}
	if errors.Is(err, errRetry) {
		err = cluster.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", keyInitialize, err)
	}
	return nil
}

// setInitialize tries once; errRetry if the key changed meanwhile.
func (s *Store) setInitialize(ctx context.Context, l *link, systemID string) error {
	path := s.paths.of(keyInitialize)
	n, err := readNode(ctx, l, path)
	switch present := string(n.data); {
	case err != nil:
		return readError(err)
	case !n.exists:
		err = createNode(ctx, l, path, []byte(systemID), 0)
	case present == systemID:
		return nil
	case cluster.ValidSystemID(present):
		return fmt.Errorf("%w: it is %s already", cluster.ErrConflict, present)
	default:
		_, _, err = write(ctx, l, opSet(path, []byte(systemID), n.stat.Version))
	}
	err = writeError(err)
	if errors.Is(err, cluster.ErrConflict) {
		return errRetry
	}
	return err
}

// DeleteInitialize gives a failed bootstrap up. It deletes what it has just
// read, and nothing that was written since (ErrConflict).
func (s *Store) DeleteInitialize(ctx context.Context) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	defer s.view.touch(keyInitialize)
	l, _, err := s.connected()
	if err != nil {
		return fmt.Errorf("delete %s: %w", keyInitialize, err)
	}
	n, err := readNode(ctx, l, s.paths.of(keyInitialize))
	if err != nil {
		return fmt.Errorf("delete %s: %w", keyInitialize, readError(err))
	}
	if !n.exists {
		return nil
	}
	_, _, err = write(ctx, l, opDelete(s.paths.of(keyInitialize), n.stat.Version))
	if err != nil && !errors.Is(err, zk.ErrNoNode) {
		return fmt.Errorf("delete %s: %w", keyInitialize, writeError(err))
	}
	return nil
}

// put writes a persistent key under the condition of version.
func (s *Store) put(ctx context.Context, key string, data []byte, version int32) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	defer s.view.touch(key)
	l, _, err := s.connected()
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	if err := fits(data); err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	path := s.paths.of(key)
	switch version {
	case cluster.NoVersion:
		err = createNode(ctx, l, path, data, 0)
	case cluster.AnyVersion:
		err = upsert(ctx, l, path, data)
	default:
		_, _, err = write(ctx, l, opSet(path, data, version))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", key, writeError(err))
	}
	return nil
}

// maxValue is the largest value that is written, in bytes: the ensemble drops
// the connection of who sends more than jute.maxbuffer, headers included.
const maxValue = maxFrame - 16<<10

// fits refuses values that would cost the connection.
func fits(data []byte) error {
	if len(data) > maxValue {
		return fmt.Errorf("value of %d bytes is too large for ZooKeeper", len(data))
	}
	return nil
}

// upsert sets path, or creates it.
func upsert(ctx context.Context, l *link, path string, data []byte) error {
	_, _, err := write(ctx, l, opSet(path, data, -1))
	if !errors.Is(err, zk.ErrNoNode) {
		return err
	}
	err = createNode(ctx, l, path, data, 0)
	if !errors.Is(err, zk.ErrNodeExists) {
		return err
	}
	_, _, err = write(ctx, l, opSet(path, data, -1))
	return err
}
