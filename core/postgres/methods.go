package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// methods are the replica methods for a copy of up, in order. The leader of a
// standby cluster is made by those of standby_cluster, and by pg_basebackup if
// there are none: what this cluster's own methods have belongs to this cluster.
// Only without a server to connect to, its own are all that is left.
func (s *Server) methods(up cluster.Upstream) []config.Method {
	site := s.config().Site
	list := site.Methods
	if up.Remote != nil && (len(up.Remote.CreateReplicaMethods) > 0 || hasSource(up)) {
		list = nil
		for _, name := range up.Remote.CreateReplicaMethods {
			list = append(list, site.Method(name))
		}
	}
	if len(list) == 0 || up.Plain {
		list = []config.Method{{Name: config.BaseBackupMethod}}
	}
	return list
}

// hasSource reports that there is a server to copy from.
func hasSource(up cluster.Upstream) bool { return up.Host != "" }

// WithoutLeader reports that some replica method needs no running server.
func (s *Server) WithoutLeader() bool {
	for _, m := range s.config().Site.Methods {
		if m.NoLeader {
			return true
		}
	}
	return false
}

// copyBy tries the methods in order until one works.
func (s *Server) copyBy(ctx context.Context, up cluster.Upstream) error {
	b := cluster.Build{Since: time.Now()}
	defer s.building.Store(nil)
	for i, m := range attempts(s.methods(up)) {
		if !hasSource(up) && !m.NoLeader {
			continue
		}
		if i > 0 && m.Name == b.Method {
			if err := pause(ctx, attemptPause); err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
		}
		b.Method, b.Attempt = m.Name, b.Attempt+1
		b.Phase, b.Message, b.Done, b.Total = "", "", 0, 0
		s.show(b)
		began := time.Now()
		err := s.copyWith(ctx, up, m, b)
		if err == nil {
			err = s.copied()
		}
		if err == nil {
			s.log.Info("data directory made", slog.String("method", m.Name), slog.Duration("took", time.Since(began)))
			return nil
		}
		if cause := context.Cause(ctx); cause != nil {
			return fmt.Errorf("%s: %w", m.Name, cause)
		}
		s.log.Error("replica method failed", slog.String("method", m.Name), slog.Duration("took", time.Since(began)), slog.Any("err", err))
		b.Failed = append(b.Failed, cluster.BuildFailure{Method: m.Name, Reason: err.Error()})
	}
	return failures(b.Failed)
}

// attemptPause lies between the attempts of one method.
const attemptPause = 5 * time.Second

// attempts are the methods as they are tried: basebackup has a second attempt
// before another method gets its turn. The last one needs none, since whoever
// asked for the copy asks again.
func attempts(list []config.Method) []config.Method {
	var out []config.Method
	for i, m := range list {
		out = append(out, m)
		if m.Name == config.BaseBackupMethod && m.Command == "" && i < len(list)-1 {
			out = append(out, m)
		}
	}
	return out
}

// pause waits, and returns why if ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// failures are the reasons of all methods.
func failures(list []cluster.BuildFailure) error {
	errs := make([]error, 0, len(list))
	for _, f := range list {
		errs = append(errs, errors.New(f.Method+": "+f.Reason))
	}
	if len(errs) == 0 {
		return errors.New("no replica method works without a running server")
	}
	return errors.Join(errs...)
}

// show publishes how far a build is.
func (s *Server) show(b cluster.Build) {
	s.building.Store(&b)
	s.notify()
}

// copyWith makes a copy by one method. After a failure the directory is empty,
// unless the method keeps data.
func (s *Server) copyWith(ctx context.Context, up cluster.Upstream, m config.Method, b cluster.Build) error {
	var err error
	keep := m.KeepData
	switch {
	case m.Name == config.BaseBackupMethod && m.Command == "" && s.site == nil:
		err = s.baseBackup(ctx, up)
	case m.Command != "" || s.site == nil:
		err = s.copyByCommand(ctx, up, m)
	default:
		keep, err = s.copyByPlugin(ctx, up, m, b)
	}
	if err != nil && !keep {
		return errors.Join(err, s.emptyData())
	}
	return err
}

// prepareFor makes the directory what a method expects.
func (s *Server) prepareFor(keep bool) error {
	if keep {
		return s.markIncomplete("copy")
	}
	return s.prepareEmpty("copy")
}

// copyByCommand runs the command of a method with the arguments that scripts
// expect.
func (s *Server) copyByCommand(ctx context.Context, up cluster.Upstream, m config.Method) error {
	if s.site == nil {
		return errors.New("there is nothing to run commands with")
	}
	if err := s.prepareFor(m.KeepData); err != nil {
		return err
	}
	cfg := s.config()
	c := cluster.Command{What: "create_replica_methods." + m.Name, Line: m.Command, DataDir: cfg.DataDir}
	for _, o := range m.Passed() {
		c.Args = append(c.Args, "--"+o.Key+"="+o.Value)
	}
	conninfo := ""
	if hasSource(up) {
		if err := s.writePassFor(up); err != nil {
			return err
		}
		c.Env = passEnv(cfg)
		conninfo = bareConninfo(clientWords(database(cfg), cfg.Replication, up, newestVersion))
	}
	if !m.NoParams {
		c.Args = append(c.Args, "--scope="+cfg.Scope, "--role=replica", "--datadir="+cfg.DataDir, "--connstring="+conninfo)
	}
	return s.site.Run(ctx, c)
}

// copyByPlugin has a plugin make the copy. keep tells whether the directory is
// the plugin's after a failure.
func (s *Server) copyByPlugin(ctx context.Context, up cluster.Upstream, m config.Method, b cluster.Build) (keep bool, err error) {
	cfg := s.config()
	spec := cluster.BuildSpec{
		Method: m.Name, DataDir: cfg.DataDir, BinDir: cfg.BinDir, Programs: cfg.BinName, Attempt: b.Attempt, Options: buildOptions(m.Options),
	}
	if hasSource(up) {
		if err := s.writePassFor(up); err != nil {
			return true, err
		}
		spec.Source, spec.PassFile = up.Name, cfg.PgPass
		spec.Conninfo = conninfo(clientWords(database(cfg), cfg.Replication, up, newestVersion))
	}
	if m.Name == config.BaseBackupMethod {
		spec.Options = buildOptions(s.backupOptions(cfg.BaseBackup))
	}
	plan, err := s.site.Plan(ctx, spec)
	if err != nil {
		return true, err // nothing was touched
	}
	keep = plan.KeepData || m.KeepData
	if err := s.prepareFor(keep); err != nil {
		return keep, err
	}
	b.Total, b.Message = plan.Total, plan.Message
	s.show(b)
	return keep, s.site.Build(ctx, spec, func(p cluster.Build) {
		next := b
		next.Phase, next.Message, next.Done, next.Total = p.Phase, p.Message, p.Done, p.Total
		s.show(next)
	})
}

func buildOptions(list []config.Option) []cluster.BuildOption {
	var out []cluster.BuildOption
	for _, o := range list {
		out = append(out, cluster.BuildOption{Key: o.Key, Value: o.Value, Bare: !o.HasValue})
	}
	return out
}

// copied makes a fresh copy ready to be started. postmaster.opts stays where a
// method has left it: it marks an atomic snapshot (withoutLabel), and a start
// overwrites it.
func (s *Server) copied() error {
	cfg := s.config()
	if _, err := majorVersion(cfg.DataDir); err != nil {
		return fmt.Errorf("the method reports success, but there is no cluster in %s: %w", cfg.DataDir, err)
	}
	if err := removeFiles(cfg.DataDir, "postmaster.pid", "recovery.signal", "promote"); err != nil {
		return err
	}
	if err := removeSessions(cfg.DataDir); err != nil {
		return err
	}
	return s.markComplete()
}
