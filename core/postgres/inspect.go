package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lib/pq"

	"github.com/pgregent/pgregent/core/config"
)

// inspectLimit bounds each statement of Inspect.
const inspectLimit = 10 * time.Second

// Inspect asks a running server on this host what it is configured with.
// connection is a connection string or URL; what it leaves out comes from the
// PG* environment variables. The user must be a superuser.
func Inspect(ctx context.Context, connection string) (config.Running, int, error) {
	connector, err := pq.NewConnector(withDefaults(connection))
	if err != nil {
		return config.Running{}, 0, fmt.Errorf("read connection string: %w", hideSecrets(err))
	}
	connector.Dialer(&deadlineDialer{limit: inspectLimit})
	db := sql.OpenDB(connector)
	defer db.Close()
	i := &inspector{db: db}
	if err := i.all(ctx); err != nil {
		return config.Running{}, 0, fmt.Errorf("ask the running server: %w", translate(err))
	}
	i.r.Superuser.Password, i.r.Superuser.HasPassword = givenPassword(connection)
	return i.r, i.major, nil
}

// hideSecrets drops what an error about a connection string may quote.
func hideSecrets(err error) error {
	if _, ok := errors.AsType[*url.Error](err); ok {
		return errors.New("it is not a valid URL")
	}
	return err
}

// withDefaults adds what a local connection needs: no encryption is asked for
// unless the string or the environment says so.
func withDefaults(connection string) string {
	if strings.Contains(connection, "sslmode=") || os.Getenv("PGSSLMODE") != "" {
		return connection
	}
	if strings.Contains(connection, "://") {
		separator := "?"
		if strings.Contains(connection, "?") {
			separator = "&"
		}
		return connection + separator + "sslmode=prefer"
	}
	return strings.TrimSpace(connection + " sslmode=prefer")
}

// givenPassword is the password of the connection string or the environment.
func givenPassword(connection string) (string, bool) {
	if u, err := url.Parse(connection); err == nil && u.User != nil {
		if p, ok := u.User.Password(); ok {
			return p, true
		}
	}
	if p, ok := parseConninfo(connection)["password"]; ok {
		return p, true
	}
	p := os.Getenv("PGPASSWORD")
	return p, p != ""
}

type inspector struct {
	db    *sql.DB
	r     config.Running
	major int
}

func (i *inspector) all(ctx context.Context) error {
	var super string
	var number int
	var configFile string
	err := i.db.QueryRowContext(ctx, `SELECT current_setting('is_superuser'), current_setting('server_version_num')::int,
 session_user, current_setting('cluster_name'), current_setting('data_directory'), current_setting('config_file'),
 current_setting('listen_addresses'), current_setting('port')::int`).
		Scan(&super, &number, &i.r.Superuser.Username, &i.r.ClusterName, &i.r.DataDir, &configFile, &i.r.ListenAddresses, &i.r.Port)
	if err != nil {
		return err
	}
	if super != "on" {
		return fmt.Errorf("user %s is not a superuser", i.r.Superuser.Username)
	}
	i.major = number / perMajor
	i.r.ConfigDir = filepath.Dir(configFile)
	if err := i.parameters(ctx); err != nil {
		return err
	}
	if i.r.HBA, err = i.lines(ctx, "hba_file", "pg_hba.conf"); err != nil {
		return err
	}
	if i.r.Ident, err = i.lines(ctx, "ident_file", "pg_ident.conf"); err != nil {
		return err
	}
	if file, found, err := readPidFile(i.r.DataDir); err == nil && found {
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", file.Pid)); err == nil {
			i.r.BinDir = filepath.Dir(exe)
		}
	}
	return nil
}

// parameters are those that somebody set for this server. A text is taken as
// it was set: archive_command shows as "(disabled)" while archive_mode is off.
func (i *inspector) parameters(ctx context.Context) error {
	rows, err := i.db.QueryContext(ctx, `SELECT name,
 CASE WHEN vartype = 'string' THEN coalesce(reset_val, setting) ELSE current_setting(name) END FROM pg_catalog.pg_settings
WHERE context <> 'internal' AND source IN ('configuration file', 'command line', 'environment variable') ORDER BY name`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var p config.Parameter
		if err := rows.Scan(&p.Name, &p.Value); err != nil {
			return err
		}
		i.r.Parameters = append(i.r.Parameters, p)
	}
	return rows.Err()
}

// lines are those of a file that are not comments, if it lies where the
// agent would write it.
func (i *inspector) lines(ctx context.Context, parameter, name string) ([]string, error) {
	var path, text string
	if err := i.db.QueryRowContext(ctx, "SELECT current_setting($1)", parameter).Scan(&path); err != nil {
		return nil, err
	}
	if path != filepath.Join(i.r.ConfigDir, name) {
		return nil, nil
	}
	if err := i.db.QueryRowContext(ctx, "SELECT pg_catalog.pg_read_file($1)", path).Scan(&text); err != nil {
		return nil, err
	}
	return significant(text), nil
}

// significant are the lines of pg_hba.conf or pg_ident.conf that are not empty
// and no comments.
func significant(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}
