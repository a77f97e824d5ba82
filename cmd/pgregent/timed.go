package main

import (
	"context"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/postgres"
	"github.com/pgregent/pgregent/observability"
	"github.com/pgregent/pgregent/zkdcs"
)

// timedStore measures the operations that a change of leaders waits for.
type timedStore struct {
	*zkdcs.Store
	m   *observability.Phases
	ops *operations
}

// timed measures one operation.
func (s timedStore) timed(operation string, f func() error) error {
	begin := time.Now()
	err := f()
	s.told(operation, begin, err)
	return err
}

func (s timedStore) told(operation string, begin time.Time, err error) {
	s.m.Store(operation, time.Since(begin), err)
	s.ops.called("zookeeper", operation, begin, err)
}

// Load measures reading the view; most reads are from memory.
func (s timedStore) Load(ctx context.Context) (*cluster.Cluster, error) {
	begin := time.Now()
	c, err := s.Store.Load(ctx)
	s.told("load", begin, err)
	return c, err
}

// Acquire measures taking the lock.
func (s timedStore) Acquire(ctx context.Context, view *cluster.Cluster) (bool, error) {
	begin := time.Now()
	won, err := s.Store.Acquire(ctx, view)
	s.told("acquire", begin, err)
	return won, err
}

// Release measures giving the lock up.
func (s timedStore) Release(ctx context.Context, status cluster.Status) error {
	return s.timed("release", func() error { return s.Store.Release(ctx, status) })
}

// SetMember measures writing the member key.
func (s timedStore) SetMember(ctx context.Context, d cluster.MemberData) error {
	return s.timed("set member", func() error { return s.Store.SetMember(ctx, d) })
}

// SetStatus measures writing the status key.
func (s timedStore) SetStatus(ctx context.Context, status cluster.Status) error {
	return s.timed("set status", func() error { return s.Store.SetStatus(ctx, status) })
}

// SetHistory measures writing the history.
func (s timedStore) SetHistory(ctx context.Context, h cluster.History) error {
	return s.timed("set history", func() error { return s.Store.SetHistory(ctx, h) })
}

// timedPostgres measures what the loop and a promotion wait for.
type timedPostgres struct {
	*postgres.Server
	m   *observability.Phases
	ops *operations
}

// took measures one call, which began then.
func (p timedPostgres) took(call string, begin time.Time, err error) {
	p.m.Postgres(call, time.Since(begin))
	p.ops.called("postgresql", call, begin, err)
}

// Observe measures one look at the server, the status query included.
func (p timedPostgres) Observe(ctx context.Context) cluster.Instance {
	defer p.took("observe", time.Now(), nil)
	return p.Server.Observe(ctx)
}

// Checkpoint measures a checkpoint.
func (p timedPostgres) Checkpoint(ctx context.Context) error {
	begin := time.Now()
	err := p.Server.Checkpoint(ctx)
	p.took("checkpoint", begin, err)
	return err
}

// Promote measures a promotion.
func (p timedPostgres) Promote(ctx context.Context) error {
	begin := time.Now()
	err := p.Server.Promote(ctx)
	p.took("promote", begin, err)
	return err
}
