package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// restore is a new cluster that a bootstrap method has made, until it has left
// recovery and is this cluster's own.
type restore struct {
	method config.Method
	// hba is the pg_hba.conf that the method brought; nil if it did not, or if
	// the configuration has one.
	hba []byte
}

// restoreLimit stands for no limit: nobody knows how much log a backup needs.
const restoreLimit = 365 * 24 * time.Hour

func (s *Server) restoring() *restore {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restored
}

func (s *Server) setRestoring(r *restore) {
	s.mu.Lock()
	s.restored = r
	s.mu.Unlock()
}

// customBootstrap makes the data directory by the configured method.
func (s *Server) customBootstrap(ctx context.Context, cfg config.Postgres, m config.Method) error {
	s.setPhase(cluster.StateCustomBootstrap)
	if s.site == nil {
		return errors.New("there is nothing to run bootstrap methods with")
	}
	if err := s.prepareEmpty("bootstrap"); err != nil {
		return err
	}
	if err := s.runBootstrap(ctx, cfg, m); err != nil {
		return err
	}
	if _, err := majorVersion(cfg.DataDir); err != nil {
		return fmt.Errorf("the method reports success, but there is no cluster in %s: %w", cfg.DataDir, err)
	}
	if err := removeFiles(cfg.DataDir, "promote", "postmaster.pid"); err != nil {
		return err
	}
	if err := removeSessions(cfg.DataDir); err != nil {
		return err
	}
	r := &restore{method: m}
	if cfg.PgHba == nil {
		for _, dir := range []string{configDir(cfg), cfg.DataDir} {
			if text, err := os.ReadFile(filepath.Join(dir, "pg_hba.conf")); err == nil {
				r.hba = text
				break
			}
		}
	}
	if err := r.signals(cfg.DataDir); err != nil {
		return err
	}
	s.setRestoring(r)
	return s.markComplete()
}

func (s *Server) runBootstrap(ctx context.Context, cfg config.Postgres, m config.Method) error {
	if m.Command == "" {
		spec := cluster.BuildSpec{
			Bootstrap: true, Method: m.Name, DataDir: cfg.DataDir, BinDir: cfg.BinDir, Programs: cfg.BinName, Attempt: 1, Options: buildOptions(m.Options),
		}
		b := cluster.Build{Method: m.Name, Attempt: 1, Since: time.Now()}
		defer s.building.Store(nil)
		s.show(b)
		return s.site.Build(ctx, spec, func(p cluster.Build) {
			b.Phase, b.Message, b.Done, b.Total = p.Phase, p.Message, p.Done, p.Total
			s.show(b)
		})
	}
	c := cluster.Command{What: "bootstrap." + m.Name, Line: m.Command, DataDir: cfg.DataDir}
	if !m.NoParams {
		c.Args = append(c.Args, "--scope="+cfg.Scope, "--datadir="+cfg.DataDir)
	}
	for _, o := range m.Options {
		c.Args = append(c.Args, "--"+o.Key+"="+o.Value)
	}
	return s.site.Run(ctx, c)
}

// signals makes the signal files fit the recovery that the configuration asks
// for.
func (r *restore) signals(dataDir string) error {
	if r.method.KeepRecovery && len(r.method.Recovery) == 0 {
		return nil
	}
	if err := removeFiles(dataDir, "recovery.signal", "standby.signal", "recovery.conf", "recovery.done"); err != nil {
		return err
	}
	if len(r.method.Recovery) == 0 {
		return nil
	}
	name := "recovery.signal"
	if mode, _ := parameter(r.method.Recovery, "standby_mode"); strings.EqualFold(mode, "on") || mode == "True" {
		name = "standby.signal"
	}
	return writeFile(filepath.Join(dataDir, name), nil, fileMode(dataDir))
}

// parameters are the recovery settings for the first start.
func (r *restore) parameters() []config.Parameter {
	var out []config.Parameter
	for _, p := range r.method.Recovery {
		if isRecoveryParameter(p.Name) {
			out = append(out, p)
		}
	}
	return out
}

// keepsAuto reports that recovery settings in postgresql.auto.conf stay.
func (r *restore) keepsAuto() bool { return r.method.KeepRecovery && len(r.method.Recovery) == 0 }

// trusting lets this agent in whatever passwords are in the backup: from this
// host only, and only until the configured ones are set.
func trusting(cfg config.Postgres) config.Postgres {
	super := "all"
	if cfg.Superuser.Username != "" {
		super = `"` + cfg.Superuser.Username + `"`
	}
	cfg.PgHba = []string{"local all " + super + " trust"}
	for _, address := range []string{"127.0.0.1/32", "::1/128"} {
		cfg.PgHba = append(cfg.PgHba, "host all "+super+" "+address+" trust")
	}
	if h := localHost(cfg.ListenAddresses); h != "localhost" && h != "127.0.0.1" && h != "::1" {
		bits := "/32"
		if strings.Contains(h, ":") {
			bits = "/128"
		}
		cfg.PgHba = append(cfg.PgHba, "host all "+super+" "+h+bits+" trust")
	}
	return cfg
}

// awaitRecovery waits until a restored server has left recovery by itself.
func (s *Server) awaitRecovery(ctx context.Context) error {
	if s.restoring() == nil {
		return nil
	}
	pm := s.find()
	if pm == nil {
		return errors.New("the restored server does not run")
	}
	const look = 200 * time.Millisecond // the end of recovery changes the control file, too, which wakes at once
	err := pm.waitFor(ctx, look, func() bool {
		recovering, err := s.inRecovery(ctx)
		return err == nil && !recovering
	})
	if err != nil {
		return fmt.Errorf("wait for the end of recovery: %w", err)
	}
	return nil
}

// ownAccess ends the restore: the configured access rules and settings come
// into force.
func (s *Server) ownAccess(ctx context.Context) error {
	r := s.restoring()
	if r == nil {
		return nil
	}
	s.setRestoring(nil)
	cfg := s.config()
	if r.hba != nil {
		if err := writeFile(filepath.Join(configDir(cfg), "pg_hba.conf"), r.hba, fileMode(cfg.DataDir)); err != nil {
			return err
		}
	}
	if err := removeFiles(cfg.DataDir, "recovery.signal", "standby.signal", "recovery.done"); err != nil {
		return err
	}
	if _, err := s.writeConf(ctx, role{}); err != nil {
		return err
	}
	pm := s.find()
	if pm == nil {
		return errors.New("the restored server does not run")
	}
	if err := pm.signal(unix.SIGHUP); err != nil {
		return err
	}
	s.log.Info("the restored cluster is this cluster's own now", slog.String("method", r.method.Name))
	return nil
}
