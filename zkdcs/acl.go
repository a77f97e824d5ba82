package zkdcs

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-zookeeper/zk"

	"github.com/pgregent/pgregent/core/config"
)

// acl is what znodes are created with. The zero value opens all of them.
type acl struct {
	base string
	list []zk.ACL // of base and what is below it
}

func newACL(p paths, entries []config.ACL) acl {
	a := acl{base: p.base}
	for _, e := range entries {
		a.list = append(a.list, zk.ACL{Perms: int32(e.Permissions), Scheme: e.Scheme, ID: e.ID})
	}
	return a
}

// of is the ACL of a new znode. Parents that clusters share stay open:
// whoever comes next must be able to put a cluster there.
func (a acl) of(path string) []zk.ACL {
	if len(a.list) == 0 || path != a.base && !strings.HasPrefix(path, a.base+"/") {
		return zk.WorldACL(zk.PermAll)
	}
	return a.list
}

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
