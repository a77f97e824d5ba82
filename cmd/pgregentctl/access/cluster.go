package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pgregent/pgregent/cmd/ensemble"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/zkdcs"
)

const (
	// connectLimit is how long the ensemble may take to answer at first.
	connectLimit = 5 * time.Second
	// callLimit bounds one read or write after that.
	callLimit = 10 * time.Second
	// closeLimit bounds the end of the session, which otherwise times out.
	closeLimit = time.Second
	// sessionTimeout is what patronictl asks for too.
	sessionTimeout = 30 * time.Second
)

// Cluster is one cluster's keys.
type Cluster struct {
	// Name is the scope; Group the Citus group, "" for none.
	Name, Group string
	store       *zkdcs.Store
	stop        func()
	hosts       string
}

// Open connects to the store. Close must be called. Nothing is read yet.
func (c *Config) Open(ctx context.Context, scope, group string) (*Cluster, error) {
	switch {
	case len(c.ZooKeeper.Hosts) == 0 && c.File == "":
		return nil, words("Can not find suitable configuration of distributed configuration store: give -c FILE with a zookeeper section, or -d zookeeper://host:port")
	case len(c.ZooKeeper.Hosts) == 0:
		return nil, fmt.Errorf("no zookeeper.hosts in %s: add them, or give -d zookeeper://host:port", c.File)
	}
	if group == "" {
		group = c.Group
	}
	name := scope
	if group != "" {
		name += "/" + group
	}
	servers, err := ensemble.Access(c.ZooKeeper, nil)
	if err != nil {
		return nil, err
	}
	store, err := zkdcs.New(zkdcs.Options{
		Access: servers, Chroot: c.ZooKeeper.Chroot, Namespace: c.Namespace, Scope: name, ACL: c.ZooKeeper.ACL,
		SessionTimeout: sessionTimeout, RetryTimeout: callLimit,
	})
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = store.Run(running) // it ends with its context only
	}()
	stop := func() {
		closing, end := context.WithTimeoutCause(running, closeLimit, errors.New("the session is left to time out"))
		defer end()
		_ = store.Close(closing) // it times out by itself otherwise
		cancel()
		<-done
	}
	return &Cluster{Name: scope, Group: group, store: store, stop: stop, hosts: strings.Join(c.ZooKeeper.Hosts, ",")}, nil
}

// Close ends the session.
func (c *Cluster) Close() { c.stop() }

// Read returns a view that is read now.
func (c *Cluster) Read(ctx context.Context) (*cluster.Cluster, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectLimit, errors.New("no answer"))
	defer cancel()
	c.store.Invalidate()
	for {
		view, err := c.store.Load(ctx)
		if err == nil {
			return view, nil
		}
		if !errors.Is(err, cluster.ErrUnreachable) || ctx.Err() != nil {
			return nil, c.explain(err)
		}
	}
}

// Changed receives a value after a key has changed.
func (c *Cluster) Changed() <-chan struct{} { return c.store.Changed() }

// Granted is the session timeout that the ensemble gave.
func (c *Cluster) Granted() time.Duration { return c.store.Granted() }

// SetFailover writes the failover key; see zkdcs.
func (c *Cluster) SetFailover(ctx context.Context, f cluster.Failover, version int32) error {
	return c.explain(c.store.SetFailover(ctx, f, version))
}

// SetConfig writes the dynamic configuration if it still has that version;
// cluster.ErrConflict if it has not.
func (c *Cluster) SetConfig(ctx context.Context, o *cluster.Object, version int32) error {
	return c.explain(c.store.SetConfig(ctx, o, version))
}

// Remove deletes all keys of the cluster.
func (c *Cluster) Remove(ctx context.Context) error { return c.explain(c.store.Remove(ctx)) }

// explain adds what a person can do about it.
func (c *Cluster) explain(err error) error {
	if errors.Is(err, cluster.ErrUnreachable) {
		return words("ZooKeeper at %s does not answer. Is zookeeper.hosts right, and does the ensemble have a quorum?", c.hosts)
	}
	return err
}

// OpenToAnyone reports that everybody who reaches ZooKeeper may write the keys.
func (c *Cluster) OpenToAnyone(ctx context.Context) (bool, error) { return c.store.OpenToAnyone(ctx) }
