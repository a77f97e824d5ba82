package config

// topKeys stand at the top level of the file.
var topKeys = []keyRow{
	{"scope", is(text), "", AtAgentRestart, "Name of the cluster, part of its path in ZooKeeper and PostgreSQL's cluster_name."},
	{"name", is(text), "", AtAgentRestart, "Name of this member, unique in the cluster, and application_name of its replication."},
	{"namespace", is(text), "service", AtAgentRestart, "Prefix of the cluster's path in ZooKeeper: /<namespace>/<scope>."},
	{"state_dir", is(text), "", AtAgentRestart, "Directory of what a restarted agent needs (the ZooKeeper session), outside data_dir; default .pgregent-<name> beside it."},
	{"plugins", is(mapping), "", AtReload, "Plugins by name: type or path, args, sha256, settings and limits."},
	{"thread_pool_size", between(0, unlimited, ""), "5", NoEffect, "Threads of Patroni; this agent has none to set."},
	{"thread_stack_size", is(text), "524288", NoEffect, "Stack size of Patroni's threads; this agent has none to set."},
}

var logKeys = []keyRow{
	{"type", is(text), "plain", AtAgentRestart, "Form of the log: key=value text, or one JSON object a line."},
	{"level", is(text), "INFO", AtReload, "Least severity that is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL."},
	{"traceback_level", is(text), "ERROR", NoEffect, "When Patroni logs stack traces; this agent logs none."},
	{"format", is(opaque), "", NoEffect, "Format string of Patroni's records; this agent's have fixed fields."},
	{"dateformat", is(text), "", NoEffect, "Time format of Patroni's records; this agent writes RFC 3339."},
	{"static_fields", is(textMap), "", AtAgentRestart, "Fields added to each record."},
	{"max_queue_size", between(0, unlimited, "records"), "1000", AtAgentRestart, "Lines that may wait for a slow disk with log.dir; what exceeds them is counted."},
	{"dir", is(text), "", AtAgentRestart, "Directory of the log file pgregent.log, which must exist; default standard error."},
	{"file_size", between(0, unlimited, "bytes"), "25000000", AtAgentRestart, "Size at which the log file is rotated; 0: never."},
	{"file_num", between(0, unlimited, ""), "4", AtAgentRestart, "Rotated log files that are kept."},
	{"mode", between(0, 0o777, ""), "", AtAgentRestart, "Permissions of the log files; default as the umask says."},
	{"loggers", is(textMap), "", NoEffect, "Levels of Patroni's Python modules."},
	{"deduplicate_heartbeat_logs", is(boolean), "false", NoEffect, "Hides repeated heartbeat lines; this agent logs changes only."},
}

var restKeys = []keyRow{
	{"listen", is(text), "", AtReload, "host:port of the REST API; * or no host means all addresses."},
	{"connect_address", is(text), "", AtReload, "host:port at which the other members reach it; default listen."},
	{"auth", is(text), "", AtReload, "user:password in one text, for restapi.authentication."},
	{"authentication.username", is(text), "", AtReload, "User for the calls that change something."},
	{"authentication.password", is(text), "", AtReload, "Password of that user."},
	{"certfile", is(text), "", AtReload, "Certificate file; turns HTTPS on."},
	{"keyfile", is(text), "", AtReload, "Key file of the certificate."},
	{"keyfile_password", is(text), "", AtReload, "Password of the key file."},
	{"cafile", is(text), "", AtReload, "CA bundle that client certificates are checked with."},
	{"ciphers", is(text), "", AtReload, "TLS ciphers in OpenSSL's syntax."},
	{"verify_client", oneOf("none optional required"), "none", AtReload, "Whether client certificates are asked for."},
	{"allowlist", is(textList), "", AtReload, "Hosts, addresses and networks that may make calls that change something; none: all."},
	{"allowlist_include_members", is(boolean), "false", AtReload, "Adds the addresses of all members to the allowlist."},
	{"http_extra_headers", is(textMap), "", AtReload, "Headers of each answer."},
	{"https_extra_headers", is(textMap), "", AtReload, "Headers of each answer over TLS, besides the others."},
	{"request_queue_size", between(0, 4096, ""), "5", NoEffect, "Backlog of Patroni's listener; this agent leaves it to the kernel."},
	{"server_tokens", oneOf("original productonly minimal"), "original", AtReload, "What the Server header says."},
	{"thread_pool_size", between(0, unlimited, ""), "5", NoEffect, "Threads of Patroni's REST API; this agent has none to set."},
	{"max_connections_per_address", between(0, 1000000, ""), "1000", AtReload, "Open connections from one address; 0: any number."},
	{"identities", is(opaque), "", AtReload, "Callers with roles: name, role (viewer, operator, admin), and certificate, token or token_sha256."},
	{"primary_role", oneOf("primary master"), "primary", AtReload, "What documents call the role of a primary."},
	{"agent_check.listen", is(text), "", AtReload, "host:port of HAProxy's agent-check; none: there is none."},
	{"agent_check.check", is(text), "/replica", AtReload, "Health check that decides what it answers."},
	{"agent_check.max_lag", between(1, unlimited, "bytes"), "", AtReload, "Lag at which the weight reaches 1 %; default maximum_lag_on_failover."},
}

var ctlKeys = []keyRow{
	{"authentication.username", is(text), "", AtReload, "User for calls to other members; default that of restapi."},
	{"authentication.password", is(text), "", AtReload, "Password of that user."},
	{"auth", is(text), "", AtReload, "user:password in one text, for ctl.authentication."},
	{"insecure", is(boolean), "false", AtReload, "Skips the verification of certificates."},
	{"cacert", is(text), "", AtReload, "CA bundle for calls to other members; default restapi.cafile."},
	{"certfile", is(text), "", AtReload, "Client certificate for calls to other members."},
	{"keyfile", is(text), "", AtReload, "Key file of the client certificate."},
	{"keyfile_password", is(text), "", AtReload, "Password of that key file."},
}

var tracingKeys = []keyRow{
	{"endpoint", is(text), "", AtAgentRestart, "URL of an OTLP collector; default as the OTEL_* variables say."},
	{"protocol", oneOf("grpc http/protobuf"), "", AtAgentRestart, "How the collector is spoken to."},
	{"headers", is(textMap), "", AtAgentRestart, "Headers of every request to it."},
}

var zooKeeperKeys = []keyRow{
	{"hosts", is(textList), "", AtAgentRestart, "host[:port] of the ZooKeeper servers; a path after the last one is a chroot."},
	{"tick_time", period(50, 60000, "ms"), "2000", AtAgentRestart, "The servers' tickTime; it enters the calculation of the lease."},
	{"use_ssl", is(boolean), "false", AtAgentRestart, "Encrypts the connection to ZooKeeper."},
	{"cacert", is(text), "", AtAgentRestart, "CA bundle for ZooKeeper's certificates."},
	{"cert", is(text), "", AtAgentRestart, "Client certificate for ZooKeeper."},
	{"key", is(text), "", AtAgentRestart, "Key file of the client certificate."},
	{"key_password", is(text), "", AtAgentRestart, "Password of that key file."},
	{"verify", is(boolean), "true", AtAgentRestart, "Checks ZooKeeper's certificate."},
	{"verify_hostname", is(boolean), "", AtAgentRestart, "Whether that certificate must be of the host in zookeeper.hosts; not set: a mismatch is told in the log."},
	{"set_acls", is(mapping), "", AtAgentRestart, "ACL of every znode: a principal of scheme x509, or scheme:credential, and a list of CREATE, READ, WRITE, DELETE, ADMIN, ALL."},
	{"auth_data", is(textMap), "", AtAgentRestart, "Credentials of the session by scheme, as in digest: user:password."},
}

var fenceKeys = []keyRow{
	{"mode", oneOf("required preferred off"), "required", AtAgentRestart, "Whether this node leads without the process that stops PostgreSQL when the lease runs out."},
	{"takeover_wait", period(0, 3600, "s"), "5", AtAgentRestart, "Time that a new agent has to take over from one that died, before PostgreSQL is stopped."},
}

var watchdogKeys = []keyRow{
	{"mode", oneOf("off automatic required").also("auto require disable disabled"), "automatic", AtReload, "Whether this node leads without a device that resets the host."},
	{"device", is(text), "/dev/watchdog", AtReload, "The watchdog device."},
	{"safety_margin", period(-1, unlimited, "s"), "5", AtReload, "Time between the reset of the host and the end of the ttl; -1: half the ttl."},
	{"driver", oneOf("default testing"), "default", AtReload, "testing: the device is a FIFO."},
}

var tagKeys = []keyRow{
	{"nofailover", is(boolean), "false", AtReload, "Never the leader."},
	{"failover_priority", between(-1<<31, 1<<31-1, ""), "1", AtReload, "Of candidates with the same position the highest leads; 0 or less: never."},
	{"nosync", is(boolean), "false", AtReload, "Never a synchronous standby."},
	{"sync_priority", between(-1<<31, 1<<31-1, ""), "1", AtReload, "Of candidates the highest are synchronous first; 0 or less: never."},
	{"noloadbalance", is(boolean), "false", AtReload, "GET /replica answers 503."},
	{"clonefrom", is(text), "false", AtReload, "New members are copied from this one, if they can."},
	{"replicatefrom", is(text), "", AtReload, "Member that this one streams from instead of the leader."},
	{"nostream", is(boolean), "false", AtReload, "Follows through the archive only."},
}

var bootstrapKeys = []keyRow{
	{"method", is(text), "initdb", AtBootstrap, "initdb, or the name of a mapping here that has a command."},
	{"initdb", is(optionList), "", AtBootstrap, "Options of initdb."},
	{"pg_hba", is(textList), "", AtBootstrap, "Lines appended to pg_hba.conf after initdb, if postgresql.pg_hba is not used."},
	{"post_bootstrap", is(text), "", AtBootstrap, "Command run once in the new cluster, with the connection string as last argument."},
	{"post_init", is(text), "", AtBootstrap, "Old name of post_bootstrap."},
	{"users", is(opaque), "", NotSupported, "Users that Patroni before 4.0 created; use post_bootstrap."},
}
