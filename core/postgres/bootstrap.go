package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lib/pq"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// PostBootstrap sets the superuser's password, runs the post_bootstrap
// command, then creates the replication and rewind roles on the running
// primary, in that order, which scripts rely on.
func (s *Server) PostBootstrap(ctx context.Context) error {
	if err := s.awaitRecovery(ctx); err != nil {
		return err
	}
	cfg := s.config()
	if cfg.Superuser.Username != "" && cfg.Superuser.HasPassword {
		if err := s.makeRoles(ctx, roleSpec{cfg.Superuser, "SUPERUSER LOGIN", nil}); err != nil {
			return fmt.Errorf("set superuser password: %w", err)
		}
	}
	if err := s.runPostBootstrap(ctx, cfg); err != nil {
		return fmt.Errorf("run post_bootstrap: %w", err)
	}
	var roles []roleSpec
	if cfg.Replication.Username != "" && cfg.Replication.Username != cfg.Superuser.Username {
		roles = append(roles, roleSpec{cfg.Replication, "REPLICATION LOGIN", nil})
	}
	if cfg.Rewind.Username != "" && cfg.Rewind.Username != cfg.Superuser.Username {
		roles = append(roles, roleSpec{cfg.Rewind, "LOGIN", rewindFunctions})
	}
	if err := s.makeRoles(ctx, roles...); err != nil {
		return fmt.Errorf("create roles: %w", err)
	}
	if err := s.ownAccess(ctx); err != nil {
		return fmt.Errorf("end the restore: %w", err)
	}
	return nil
}

// rewindFunctions are what pg_rewind calls on its source.
var rewindFunctions = []string{
	"pg_catalog.pg_ls_dir(text, boolean, boolean)",
	"pg_catalog.pg_stat_file(text, boolean)",
	"pg_catalog.pg_read_binary_file(text)",
	"pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)",
}

// roleSpec is a role to be made.
type roleSpec struct {
	c         config.Credentials
	options   string
	functions []string // to be executed by it
}

// quietly keeps passwords out of the server's log, and does not wait for
// standbys that are not there yet.
const quietly = `SET synchronous_commit = 'local'; SET log_statement = 'none';
SET log_min_duration_statement = -1; SET log_min_error_statement = 'panic'; SET log_duration = off;
SELECT pg_catalog.set_config(name, 'none', false) FROM pg_catalog.pg_settings WHERE name = 'pgaudit.log';
SELECT pg_catalog.set_config(name, 'off', false) FROM pg_catalog.pg_settings WHERE name = 'pg_stat_statements.track_utility'`

// makeRoles creates or alters roles.
func (s *Server) makeRoles(ctx context.Context, roles ...roleSpec) error {
	return s.withLocal(ctx, func(ctx context.Context, c *sql.Conn) error {
		if _, err := c.ExecContext(ctx, quietly); err != nil {
			return err
		}
		for _, r := range roles {
			if err := makeRole(ctx, c, r); err != nil {
				return err
			}
		}
		return nil
	})
}

func makeRole(ctx context.Context, c *sql.Conn, r roleSpec) error {
	var exists bool
	err := c.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1)", r.c.Username).Scan(&exists)
	if err != nil {
		return err
	}
	verb := "CREATE"
	if exists {
		verb = "ALTER"
	}
	name := pq.QuoteIdentifier(r.c.Username)
	statement := verb + " ROLE " + name + " WITH " + r.options
	if r.c.HasPassword {
		statement += " PASSWORD " + pq.QuoteLiteral(r.c.Password)
	}
	if _, err := c.ExecContext(ctx, statement); err != nil {
		return err
	}
	for _, f := range r.functions {
		if _, err := c.ExecContext(ctx, "GRANT EXECUTE ON FUNCTION "+f+" TO "+name); err != nil {
			return err
		}
	}
	return nil
}

// runPostBootstrap runs the user's command with the connection string as its
// last argument.
func (s *Server) runPostBootstrap(ctx context.Context, cfg config.Postgres) error {
	if s.bootstrap == nil || s.bootstrap.PostBootstrap == "" {
		return nil
	}
	host, port := s.localAddress()
	if err := writePassFile(cfg, cluster.Upstream{Host: host, Port: port}); err != nil {
		return err
	}
	major, err := majorVersion(cfg.DataDir)
	if err != nil {
		return err
	}
	words := clientWords(database(cfg), cfg.Superuser, cluster.Upstream{Host: host, Port: port}, major)
	if s.site == nil {
		return errors.New("there is nothing to run commands with")
	}
	return s.site.Run(ctx, cluster.Command{
		What: "post_bootstrap", Line: s.bootstrap.PostBootstrap, Args: []string{bareConninfo(words)}, DataDir: cfg.DataDir,
		Env: append(passEnv(cfg), "PGOPTIONS=-c synchronous_commit=local -c statement_timeout=0"),
	})
}
