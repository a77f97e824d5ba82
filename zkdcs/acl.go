package zkdcs

import (
	"context"
	"fmt"

	"github.com/go-zookeeper/zk"
)

// OpenToAnyone reports that everybody who reaches ZooKeeper may write below
// the cluster's path.
func (s *Store) OpenToAnyone(ctx context.Context) (bool, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	l, _, err := s.awaitConnected(ctx)
	if err != nil {
		return false, fmt.Errorf("read ACL: %w", err)
	}
	list, err := request(ctx, l, func(c *zk.Conn) ([]zk.ACL, error) {
		list, _, err := c.GetACL(s.paths.base)
		return list, err
	})
	if err != nil {
		return false, fmt.Errorf("read ACL: %w", readError(err))
	}
	for _, a := range list {
		if a.Scheme == "world" && a.Perms&(zk.PermWrite|zk.PermCreate|zk.PermDelete) != 0 {
			return true, nil
		}
	}
	return false, nil
}
