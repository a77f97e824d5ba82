package config

import "strings"

// authWords are the words of one entry of postgresql.authentication.
const authWords = "username password sslmode sslcert sslkey sslpassword sslrootcert sslcrl sslcrldir gssencmode channel_binding sslnegotiation"

// credentialKeys are the keys of each of those entries. For the superuser and
// the user of pg_rewind they count from the next connection.
var credentialKeys = func() []keyRow {
	var rows []keyRow
	for name := range strings.FieldsSeq(authWords) {
		doc := "libpq's " + name + " of this user's connections."
		switch name {
		case "username":
			doc = "The role; without one, libpq's default."
		case "password":
			doc = "Its password; nothing after the colon: none, but the role is made."
		}
		rows = append(rows, keyRow{name, is(text), "", AtReload, doc})
	}
	return rows
}()

// postgresLocalKeys are the keys of postgresql that count only in the file.
var postgresLocalKeys = []keyRow{
	{"listen", is(text), "", AtRestart, "hosts[:port] for listen_addresses and port; several hosts are separated by commas."},
	{"connect_address", is(text), "", AtReload, "host:port at which members and clients reach this server; default the first address of listen."},
	{"proxy_address", is(text), "", AtReload, "host:port of a proxy before this server, published as proxy_url."},
	{"data_dir", is(text), "", AtAgentRestart, "The data directory; made by the agent if it does not exist."},
	{"config_dir", is(text), "", AtAgentRestart, "Directory of postgresql.conf, pg_hba.conf and pg_ident.conf; default data_dir."},
	{"pgpass", is(text), "", AtAgentRestart, "Password file that the agent writes for its own use; default pgpass in the home directory."},
	{"name", is(text), "", AtAgentRestart, "Name of the member in the layout before Patroni 1.0."},
	{"scope", is(text), "", NoEffect, "Copied there by Patroni; the top-level key counts."},
	{"replication", is(opaque), "", AtReload, "Replication user in the layout before Patroni 1.0; use authentication.replication."},
	{"superuser", is(opaque), "", AtReload, "Superuser in the layout before Patroni 1.0; use authentication.superuser."},
	{"pg_rewind", is(opaque), "", AtReload, "User of pg_rewind in the layout before Patroni 1.0; turns use_pg_rewind on."},
}

// postgresDynamicKeys are the keys of postgresql that count only in the
// dynamic configuration.
var postgresDynamicKeys = []keyRow{
	{"use_slots", is(boolean), "true", AtReload, "Replication slots for the members."},
}

// postgresBothKeys are those of either layer; a local value replaces the
// dynamic one as a whole, only parameters are merged one by one.
var postgresBothKeys = []keyRow{
	{"parameters", is(mapping), "", AtReload, "PostgreSQL's parameters; those that must be the same on all members count only in the dynamic configuration."},
	{"pg_hba", is(textList), "", AtReload, "The whole content of pg_hba.conf."},
	{"pg_ident", is(textList), "", AtReload, "The whole content of pg_ident.conf."},
	{"recovery_conf", is(mapping), "", AtReload, "Recovery settings of standbys, as restore_command."},
	{"custom_conf", is(text), "", AtReload, "File that postgresql.conf includes in place of the original one."},
	{"config_base_name", is(text), "postgresql", NotSupported, "First part of the name of postgresql.conf; the agent writes postgresql.conf."},
	{"bin_dir", is(text), "", AtAgentRestart, "Directory of PostgreSQL's programs; default PATH, or else the newest package found."},
	{"database", is(text), "postgres", AtAgentRestart, "Database of the agent's own connections."},
	{"krbsrvname", is(text), "", AtReload, "Kerberos service name of replication connections."},
	{"use_unix_socket", is(boolean), "false", AtReload, "Local connections over the Unix socket."},
	{"use_unix_socket_repl", is(boolean), "false", NoEffect, "Local replication connections over the Unix socket; the agent makes none."},
	{"use_pg_rewind", is(boolean), "false", AtReload, "Lets a former primary rejoin by pg_rewind."},
	{"remove_data_directory_on_rewind_failure", is(boolean), "false", AtReload, "Makes a fresh copy when pg_rewind fails."},
	{"remove_data_directory_on_diverged_timelines", is(boolean), "false", AtReload, "Makes a fresh copy when timelines diverged and pg_rewind is not possible."},
	{"rewind", is(optionList), "", NotSupported, "Of Patroni's development head: extra options of pg_rewind."},
	{"create_replica_methods", is(textList), "basebackup", AtUse, "Ways to make a replica, in the order in which they are tried."},
	{"create_replica_method", is(textList), "", AtUse, "Old name of create_replica_methods."},
	{"basebackup", is(optionList), "", AtUse, "Options of pg_basebackup."},
	{"pre_promote", is(text), "", AtUse, "Command run before a promotion, which it can refuse."},
	{"before_stop", is(text), "", AtUse, "Command run before a stop."},
	{"pg_ctl_timeout", period(1, unlimited, "s"), "60", AtReload, "How long the start of a server that does not lead may take."},
	{"parameters_primary", is(opaque), "", NotSupported, "Of Patroni's development head: parameters of the primary only."},
	{"parameters_replica", is(opaque), "", NotSupported, "Of Patroni's development head: parameters of replicas only."},
	{"parameters_standby_leader", is(opaque), "", NotSupported, "Of Patroni's development head: parameters of the standby leader only."},
	{"pg_hba_primary", is(opaque), "", NotSupported, "Of Patroni's development head: pg_hba.conf of the primary."},
	{"pg_hba_replica", is(opaque), "", NotSupported, "Of Patroni's development head: pg_hba.conf of replicas."},
	{"pg_hba_standby_leader", is(opaque), "", NotSupported, "Of Patroni's development head: pg_hba.conf of the standby leader."},
	{"pg_ident_primary", is(opaque), "", NotSupported, "Of Patroni's development head: pg_ident.conf of the primary."},
	{"pg_ident_replica", is(opaque), "", NotSupported, "Of Patroni's development head: pg_ident.conf of replicas."},
	{"pg_ident_standby_leader", is(opaque), "", NotSupported, "Of Patroni's development head: pg_ident.conf of the standby leader."},
}

var callbackKeys = []keyRow{
	{"on_start", is(text), "", AtUse, "Command run after a start."},
	{"on_stop", is(text), "", AtUse, "Command run after a stop."},
	{"on_restart", is(text), "", AtUse, "Command run after a restart."},
	{"on_reload", is(text), "", AtUse, "Command run after a reload."},
	{"on_role_change", is(text), "", AtUse, "Command run after a promotion or demotion."},
}

var binNameKeys = func() []keyRow {
	var rows []keyRow
	for _, name := range []string{"pg_ctl", "initdb", "pg_controldata", "pg_basebackup", "postgres", "pg_isready", "pg_rewind", "pg_waldump"} {
		rows = append(rows, keyRow{name, is(text), name, AtReload, "Name of the program " + name + "."})
	}
	return rows
}()
