package postgres

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// Site runs what the site has configured. plugins implements it.
type Site interface {
	// Run runs a command line to its end. The error tells why it failed. When
	// ctx ends, it and all that it started are ended.
	Run(ctx context.Context, c cluster.Command) error
	// Plan asks the plugin of that method what it would do.
	Plan(ctx context.Context, s cluster.BuildSpec) (cluster.BuildPlan, error)
	// Build has the plugin of that method make a data directory. When ctx ends
	// and it returns, nothing of it touches the directory any more.
	Build(ctx context.Context, s cluster.BuildSpec, report func(cluster.Build)) error
}

// Build is the data directory that is being made, nil if none is.
func (s *Server) Build() *cluster.Build { return s.building.Load() }

// Reloads counts how often the server was told to read its files again.
func (s *Server) Reloads() int64 { return s.reloads.Load() }

// beforeStopShare is which part of the time that there is for a stop
// before_stop may use: the stop itself needs some.
const beforeStopShare = 2

// beforeStop runs the command before_stop to its end, whatever it says. With
// a time limit on the stop, as when the lease runs out, it gets half of it.
func (s *Server) beforeStop(ctx context.Context) {
	cfg := s.config()
	if cfg.Site.BeforeStop == "" || s.site == nil {
		return
	}
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, time.Until(end)/beforeStopShare, errors.New("the stop cannot wait longer"))
		defer cancel()
	}
	err := s.site.Run(ctx, cluster.Command{What: "before_stop", Line: cfg.Site.BeforeStop, DataDir: cfg.DataDir})
	if err != nil {
		s.log.Warn("before_stop; PostgreSQL is stopped all the same", slog.Any("err", err))
	}
}

// PrePromote runs the command pre_promote; an error means that this node is
// not to be promoted.
func (s *Server) PrePromote(ctx context.Context) error {
	cfg := s.config()
	if cfg.Site.PrePromote == "" || s.site == nil {
		return nil
	}
	return s.site.Run(ctx, cluster.Command{What: "pre_promote", Line: cfg.Site.PrePromote, DataDir: cfg.DataDir})
}
