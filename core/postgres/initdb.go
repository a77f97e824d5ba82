package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	shellquote "github.com/kballard/go-shellquote"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// Initdb creates a new data directory. The rest of its configuration is
// written by Start.
func (s *Server) Initdb(ctx context.Context) error {
	if s.bootstrap == nil {
		return errors.New("initialize data directory: there is no bootstrap section")
	}
	s.setPhase(cluster.StateInitializing)
	if err := s.initdb(ctx); err != nil {
		s.setPhase(cluster.StateInitdbFailed)
		if s.bootstrap.Method != nil {
			s.setPhase(cluster.StateCustomFailed)
		}
		return fmt.Errorf("initialize data directory: %w", err)
	}
	s.setPhase(cluster.StateStopped)
	return nil
}

func (s *Server) initdb(ctx context.Context) error {
	if s.find() != nil {
		return errors.New("PostgreSQL runs in it")
	}
	if empty, problem := s.inspectData(); !empty {
		return errors.Join(errors.New("it is not empty"), errors.New(problem))
	}
	cfg := s.config()
	if m := s.bootstrap.Method; m != nil {
		return s.customBootstrap(ctx, cfg, *m)
	}
	args, err := toolOptions(s.bootstrap.Initdb, []string{"pgdata", "username", "pwfile", "pwprompt", "version", "help"})
	if err != nil {
		return err
	}
	if cfg.Superuser.Username != "" {
		args = append(args, "--username="+cfg.Superuser.Username)
	}
	if cfg.Superuser.HasPassword && cfg.Superuser.Password != "" {
		file, err := passwordFile(cfg.Superuser.Password)
		if err != nil {
			return err
		}
		defer os.Remove(file)
		args = append(args, "--pwfile="+file)
	}
	if err := s.prepareEmpty("initdb"); err != nil {
		return err
	}
	if _, err := s.tool(ctx, tool{name: "initdb", args: append(args, "--pgdata="+cfg.DataDir), localized: true}); err != nil {
		return err
	}
	if err := s.appendHba(cfg); err != nil {
		return err
	}
	return s.markComplete()
}

// prepareEmpty makes the data directory an empty one that what is going to
// fill.
func (s *Server) prepareEmpty(what string) error {
	if err := s.markIncomplete(what); err != nil {
		return err
	}
	if err := s.emptyData(); err != nil {
		return err
	}
	dir := s.config().DataDir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create data directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("create data directory: %w", err)
	}
	if p := info.Mode().Perm(); p != 0o700 && p != 0o750 { // the server insists
		if err := os.Chmod(dir, 0o700); err != nil {
			return fmt.Errorf("create data directory: %w", err)
		}
	}
	return nil
}

// toolOptions writes configured options for a program. Values are unquoted
// as a shell does. An option that is ours to give is an error.
func toolOptions(list []config.Option, forbidden []string) ([]string, error) {
	var args []string
	for _, o := range list {
		if slices.Contains(forbidden, o.Key) {
			return nil, fmt.Errorf("option %s cannot be configured: the agent gives it", o.Key)
		}
		arg := "--" + o.Key
		if o.HasValue {
			value := o.Value
			if words, err := shellquote.Split(o.Value); err == nil && len(words) > 0 {
				value = strings.Join(words, " ")
			}
			arg += "=" + value
		}
		args = append(args, arg)
	}
	return args, nil
}

// passwordFile writes a password into a new temporary file.
func passwordFile(password string) (path string, err error) {
	f, err := os.CreateTemp("", "pgregent-") // mode 0600
	if err != nil {
		return "", fmt.Errorf("write password file: %w", err)
	}
	_, err = f.WriteString(password + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("write password file: %w", err), os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// appendHba appends bootstrap.pg_hba, unless postgresql.pg_hba is used.
func (s *Server) appendHba(cfg config.Postgres) error {
	if cfg.PgHba != nil || len(s.bootstrap.PgHba) == 0 {
		return nil
	}
	path := filepath.Join(cfg.DataDir, "pg_hba.conf")
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("append bootstrap.pg_hba: %w", err)
	}
	text = append(text, "\n"+strings.Join(s.bootstrap.PgHba, "\n")+"\n"...)
	return writeFile(path, text, fileMode(cfg.DataDir))
}
