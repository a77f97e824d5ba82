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
	m *observability.Phases
}

// Load measures reading the view; most reads are from memory.
func (s timedStore) Load(ctx context.Context) (*cluster.Cluster, error) {
	begin := time.Now()
	c, err := s.Store.Load(ctx)
	s.m.Store("load", time.Since(begin), err)
	return c, err
}

// Acquire measures taking the lock.
func (s timedStore) Acquire(ctx context.Context, view *cluster.Cluster) (bool, error) {
	begin := time.Now()
	won, err := s.Store.Acquire(ctx, view)
	s.m.Store("acquire", time.Since(begin), err)
	return won, err
}

// Release measures giving the lock up.
func (s timedStore) Release(ctx context.Context, status cluster.Status) error {
	begin := time.Now()
	err := s.Store.Release(ctx, status)
	s.m.Store("release", time.Since(begin), err)
	return err
}

// SetMember measures writing the member key.
func (s timedStore) SetMember(ctx context.Context, d cluster.MemberData) error {
	begin := time.Now()
	err := s.Store.SetMember(ctx, d)
	s.m.Store("set member", time.Since(begin), err)
	return err
}

// SetStatus measures writing the status key.
func (s timedStore) SetStatus(ctx context.Context, status cluster.Status) error {
	begin := time.Now()
	err := s.Store.SetStatus(ctx, status)
	s.m.Store("set status", time.Since(begin), err)
	return err
}

// SetHistory measures writing the history.
func (s timedStore) SetHistory(ctx context.Context, h cluster.History) error {
	begin := time.Now()
	err := s.Store.SetHistory(ctx, h)
	s.m.Store("set history", time.Since(begin), err)
	return err
}

// timedPostgres measures what the loop and a promotion wait for.
type timedPostgres struct {
	*postgres.Server
	m *observability.Phases
}

// Observe measures one look at the server, the status query included.
func (p timedPostgres) Observe(ctx context.Context) cluster.Instance {
	begin := time.Now()
	i := p.Server.Observe(ctx)
	p.m.Postgres("observe", time.Since(begin))
	return i
}

// Checkpoint measures a checkpoint.
func (p timedPostgres) Checkpoint(ctx context.Context) error {
	begin := time.Now()
	err := p.Server.Checkpoint(ctx)
	p.m.Postgres("checkpoint", time.Since(begin))
	return err
}

// Promote measures a promotion.
func (p timedPostgres) Promote(ctx context.Context) error {
	begin := time.Now()
	err := p.Server.Promote(ctx)
	p.m.Postgres("promote", time.Since(begin))
	return err
}
