package zkdcs

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"
)

// removeRounds bounds how often Remove begins again while running agents
// create keys behind it.
const removeRounds = 5

// Remove deletes everything below the cluster's path, and the path itself.
// Agents that still run write their keys again.
func (s *Store) Remove(ctx context.Context) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	defer s.view.invalidate()
	l, _, err := s.awaitConnected(ctx)
	if err != nil {
		return fmt.Errorf("remove cluster: %w", err)
	}
	for range removeRounds {
		if err = removeTree(ctx, l, s.paths.base); !errors.Is(err, zk.ErrNotEmpty) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("remove cluster: %w", writeError(err))
	}
	return nil
}

// removeTree deletes path with all that is below it. What is gone already is
// no error.
func removeTree(ctx context.Context, l *link, path string) error {
	names, err := request(ctx, l, func(c *zk.Conn) ([]string, error) {
		names, _, err := c.Children(path)
		return names, err
	})
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := removeTree(ctx, l, path+"/"+name); err != nil {
			return err
		}
	}
	if _, _, err = write(ctx, l, opDelete(path, -1)); errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	return err
}
