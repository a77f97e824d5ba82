package config

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// ZooKeeperAnswers checks that each ZooKeeper server accepts a connection now.
const ZooKeeperAnswers Check = 2

// reachLimit bounds a connection attempt.
const reachLimit = 3 * time.Second

// reachable warns of the ZooKeeper servers that do not accept a connection:
// the node can start without them, but not do much.
func (v *hostChecker) reachable() {
	ctx, cancel := context.WithTimeout(context.Background(), reachLimit)
	defer cancel()
	errs := make([]error, len(v.local.ZooKeeper.Hosts))
	var group sync.WaitGroup
	for i, address := range v.local.ZooKeeper.Hosts {
		group.Go(func() {
			c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			if errs[i] = err; err == nil {
				_ = c.Close() // nothing was sent
			}
		})
	}
	group.Wait()
	for i, err := range errs {
		if err == nil {
			continue
		}
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		v.add(Warning, "zookeeper.hosts", v.local.ZooKeeper.Hosts[i], "does not accept a connection now (%v)", err)
	}
}
