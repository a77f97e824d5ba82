package zkdcs

import (
	"context"
	"errors"

	"github.com/go-zookeeper/zk"
)

// znode is what was read of one znode.
type znode struct {
	exists bool
	data   []byte
	stat   zk.Stat
	// denied means that it is there, but may not be read; stat may be blank.
	denied bool
}

// readNode reads without a watch. An absent znode is no error.
func readNode(ctx context.Context, l *link, path string) (znode, error) {
	return request(ctx, l, func(c *zk.Conn) (znode, error) {
		data, stat, err := c.Get(path)
		return found(data, stat, err)
	})
}

// found makes a znode of the client's answer.
func found(data []byte, stat *zk.Stat, err error) (znode, error) {
	if errors.Is(err, zk.ErrNoNode) {
		return znode{}, nil
	}
	if err != nil {
		return znode{}, err
	}
	return znode{exists: true, data: data, stat: *stat}, nil
}

// write runs ops as one transaction. failed is the index of the operation
// that was refused, -1 if none was named. Without an answer before the end of
// ctx the link is ended, so that the transaction cannot be sent later.
func write(ctx context.Context, l *link, ops ...any) (results []zk.MultiResponse, failed int, err error) {
	for _, op := range ops {
		if create, ok := op.(*zk.CreateRequest); ok {
			create.Acl = l.acl.of(create.Path)
		}
	}
	results, err = request(ctx, l, func(c *zk.Conn) ([]zk.MultiResponse, error) { return c.Multi(ops...) })
	if errors.Is(err, errAbandoned) {
		l.end("a write got no answer")
	}
	return results, firstFailed(results), err
}

// firstFailed is the index of the operation that made the transaction fail:
// those before it carry no error.
func firstFailed(results []zk.MultiResponse) int {
	for i, r := range results {
		if r.Error != nil {
			return i
		}
	}
	return -1
}

// opCreate lacks its ACL, which write sets.
func opCreate(path string, data []byte, flags int32) *zk.CreateRequest {
	return &zk.CreateRequest{Path: path, Data: data, Flags: flags}
}

func opSet(path string, data []byte, version int32) *zk.SetDataRequest {
	return &zk.SetDataRequest{Path: path, Data: data, Version: version}
}

func opDelete(path string, version int32) *zk.DeleteRequest {
	return &zk.DeleteRequest{Path: path, Version: version}
}

// opCheckLeader asserts that the leader znode exists. Its version is 0 for
// life, so this does not say whose it is.
func opCheckLeader(p paths) *zk.CheckVersionRequest {
	return &zk.CheckVersionRequest{Path: p.of(keyLeader), Version: 0}
}

// ensureParents creates the persistent parents of path that are missing.
func ensureParents(ctx context.Context, l *link, path string) error {
	for _, parent := range ancestors(path) {
		exists, err := request(ctx, l, func(c *zk.Conn) (bool, error) {
			ok, _, err := c.Exists(parent)
			return ok, err
		})
		if err != nil {
			return err
		}
		if exists {
			continue
		}
		if _, _, err := write(ctx, l, opCreate(parent, nil, 0)); err != nil && !errors.Is(err, zk.ErrNodeExists) {
			return err
		}
	}
	return nil
}

// createNode makes a znode, and its parents if they turn out to be missing.
func createNode(ctx context.Context, l *link, path string, data []byte, flags int32) error {
	_, _, err := write(ctx, l, opCreate(path, data, flags))
	if !errors.Is(err, zk.ErrNoNode) {
		return err
	}
	if err := ensureParents(ctx, l, path); err != nil {
		return err
	}
	_, _, err = write(ctx, l, opCreate(path, data, flags))
	return err
}
