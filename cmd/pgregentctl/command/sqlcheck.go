package command

import (
	"context"
	"fmt"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/core/postgres"
)

// settingsQuery reads what replication and rewinding rest on.
const settingsQuery = `SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN
 ('wal_log_hints', 'data_checksums', 'full_page_writes', 'wal_level', 'hot_standby', 'fsync', 'max_wal_senders', 'max_replication_slots')`

// checkServersSettings asks the members' PostgreSQL with the agent's own
// login.
func (a *app) checkServersSettings(ctx context.Context, local *config.Local, view *cluster.Cluster) []found {
	if local == nil {
		return []found{{note, "not looked at: that takes the agent's file with its login", ""}}
	}
	p, _ := local.Postgres(view.Config.Object)
	var list []found
	for _, m := range view.Members {
		host, port, ok := m.Data.Address()
		if !ok || m.Data.State != cluster.StateRunning {
			continue
		}
		conn, err := postgres.Connect(ctx, postgres.Login{Host: host, Port: port, Database: "postgres", Application: "pgregentctl", Credentials: p.Superuser})
		if err != nil {
			list = append(list, found{atRisk, fmt.Sprintf("%s: no login as %s: %v", m.Name, p.Superuser.Username, err), "check pg_hba.conf and postgresql.authentication.superuser"})
			continue
		}
		list = append(list, checkMemberSettings(ctx, conn, m.Name, p, len(view.Members))...)
		conn.Close()
	}
	return list
}

func checkMemberSettings(ctx context.Context, conn *postgres.Client, name string, p config.Postgres, members int) []found {
	answer, err := conn.Ask(ctx, settingsQuery)
	if err != nil {
		return []found{{atRisk, fmt.Sprintf("%s: its settings cannot be read: %v", name, err), ""}}
	}
	set := map[string]string{}
	for _, row := range answer.Rows {
		set[value(row[0])] = value(row[1])
	}
	var list []found
	add := func(g grade, fix, format string, args ...any) {
		list = append(list, found{g, name + ": " + fmt.Sprintf(format, args...), fix})
	}
	if p.UsePgRewind && set["wal_log_hints"] != "on" && set["data_checksums"] != "on" {
		add(atRisk, "set wal_log_hints: on, or enable checksums", "pg_rewind is wanted and cannot work: neither wal_log_hints nor data checksums are on")
	}
	if set["full_page_writes"] != "on" {
		add(atRisk, "set full_page_writes: on", "full_page_writes is off")
	}
	if set["fsync"] != "on" {
		add(broken, "set fsync: on", "fsync is off: a crash of the host destroys the data")
	}
	if set["wal_level"] == "minimal" {
		add(broken, "set wal_level: replica", "wal_level is minimal: nobody can replicate")
	}
	for _, limit := range []string{"max_wal_senders", "max_replication_slots"} {
		if n, ok := cluster.ParseInt(set[limit]); ok && int(n) < members {
			add(atRisk, "raise it above the number of members", "%s is %d with %d members", limit, n, members)
		}
	}
	list = append(list, checkReplicationRole(ctx, conn, name, p)...)
	if len(list) == 0 {
		add(good, "", "settings and replication rights fit")
	}
	return list
}

// checkReplicationRole looks whether the standbys' user may replicate.
func checkReplicationRole(ctx context.Context, conn *postgres.Client, name string, p config.Postgres) []found {
	user := p.Replication.Username
	if user == "" {
		return nil
	}
	answer, err := conn.Ask(ctx, "SELECT rolname, rolreplication OR rolsuper FROM pg_catalog.pg_roles")
	if err != nil {
		return []found{{note, name + ": its roles cannot be read: " + err.Error(), ""}}
	}
	for _, row := range answer.Rows {
		if row[0] == user {
			if row[1] == true {
				return nil
			}
			return []found{{broken, fmt.Sprintf("%s: %s may not replicate", name, user), "ALTER ROLE " + user + " REPLICATION"}}
		}
	}
	return []found{{broken, fmt.Sprintf("%s: there is no role %s", name, user), "CREATE ROLE " + user + " LOGIN REPLICATION"}}
}
