package config

import "strings"

// kind is what may stand under a key.
type kind int

const (
	// section is a mapping with known keys.
	section kind = iota
	// opaque is anything: a key that is known and not looked into here.
	opaque
	text
	boolean
	textList   // a list of text; one text is a list of one
	optionList // command-line options: a list of text and one-entry mappings, or a mapping
	textMap    // any key, with scalar values
	mapping    // any key, any value
)

// allowed says in words what a kind accepts.
func (k kind) allowed() string {
	switch k {
	case section, mapping:
		return "must be a mapping of keys to values"
	case text:
		return "must be text"
	case boolean:
		return "must be true or false (or on, off, yes, no)"
	case textList:
		return "must be a list of text"
	case optionList:
		return "must be a list of options (name, or name: value), or a mapping"
	case textMap:
		return "must be a mapping of names to single values"
	}
	return ""
}

// schemaKey is one known key. A mapping of kind section lists its children.
type schemaKey struct {
	kind     kind
	children map[string]*schemaKey
}

// authWords are the words of one entry of postgresql.authentication.
const authWords = "username password sslmode sslcert sslkey sslpassword sslrootcert sslcrl sslcrldir gssencmode channel_binding sslnegotiation"

// schemaLines are all documented keys: a path, a kind, and the names that
// have this kind there. What this program does not use yet is opaque, and so
// is accepted as written.
var schemaLines = []struct {
	path  string
	kind  kind
	names string
}{
	{"", text, "scope name namespace state_dir"},
	{"", opaque, "thread_pool_size thread_stack_size"},
	{"", section, "log restapi ctl zookeeper fence watchdog postgresql bootstrap observability"},
	{"", textMap, "tags"},
	{"", mapping, "plugins"},

	{"log", text, "type level"},
	{"log", opaque, "traceback_level format dateformat static_fields max_queue_size dir file_size file_num mode loggers deduplicate_heartbeat_logs"},

	{"restapi", text, "listen connect_address auth"},
	{"restapi", section, "authentication"},
	{"restapi", opaque, "certfile keyfile keyfile_password cafile ciphers verify_client allowlist allowlist_include_members http_extra_headers https_extra_headers request_queue_size server_tokens thread_pool_size max_connections_per_address identities primary_role"},
	{"restapi", section, "agent_check"},
	{"restapi.agent_check", opaque, "listen check max_lag"},
	{"restapi.authentication", text, "username password"},

	{"ctl", text, "auth cacert certfile keyfile keyfile_password"},
	{"ctl", opaque, "insecure"},
	{"ctl", section, "authentication"},
	{"ctl.authentication", text, "username password"},

	{"zookeeper", textList, "hosts"},
	{"zookeeper", opaque, "use_ssl cacert cert key key_password verify set_acls tick_time"},
	{"zookeeper", textMap, "auth_data"},

	{"fence", opaque, "mode takeover_wait"},

	{"observability", section, "tracing"},
	{"observability.tracing", text, "endpoint protocol"},
	{"observability.tracing", textMap, "headers"},

	{"watchdog", text, "device"},
	{"watchdog", opaque, "mode driver safety_margin"},

	{"postgresql", text, "listen connect_address proxy_address data_dir config_dir bin_dir database pgpass custom_conf"},
	{"postgresql", boolean, "use_unix_socket use_unix_socket_repl use_pg_rewind remove_data_directory_on_rewind_failure remove_data_directory_on_diverged_timelines"},
	{"postgresql", textList, "pg_hba pg_ident"},
	{"postgresql", optionList, "basebackup"},
	{"postgresql", mapping, "parameters recovery_conf"},
	{"postgresql", textMap, "bin_name"},
	{"postgresql", section, "authentication"},
	{"postgresql", opaque, "name scope config_base_name krbsrvname pg_ctl_timeout rewind pg_rewind replication superuser"},
	{"postgresql", text, "pre_promote before_stop"},
	{"postgresql", textList, "create_replica_methods create_replica_method"},
	{"postgresql", textMap, "callbacks"},
	{"postgresql", opaque, "parameters_primary parameters_replica parameters_standby_leader pg_hba_primary pg_hba_replica pg_hba_standby_leader pg_ident_primary pg_ident_replica pg_ident_standby_leader"},
	{"postgresql.authentication", section, "superuser replication rewind"},
	{"postgresql.authentication.superuser", text, authWords},
	{"postgresql.authentication.replication", text, authWords},
	{"postgresql.authentication.rewind", text, authWords},

	{"bootstrap", section, "dcs"},
	{"bootstrap", text, "method post_bootstrap post_init"},
	{"bootstrap", optionList, "initdb"},
	{"bootstrap", textList, "pg_hba"},
	{"bootstrap", opaque, "users"},
	{"bootstrap.dcs", opaque, "ttl loop_wait retry_timeout maximum_lag_on_failover maximum_lag_on_syncnode max_timelines_history check_timeline primary_start_timeout master_start_timeout primary_stop_timeout master_stop_timeout synchronous_mode synchronous_mode_strict synchronous_node_count failsafe_mode pause member_slots_ttl slots permanent_slots permanent_replication_slots ignore_slots standby_cluster primary_race_backoff"},
	{"bootstrap.dcs", section, "postgresql"},
	{"bootstrap.dcs.postgresql", opaque, "use_unix_socket use_unix_socket_repl use_pg_rewind use_slots remove_data_directory_on_rewind_failure remove_data_directory_on_diverged_timelines"},
	{"bootstrap.dcs.postgresql", textList, "pg_hba pg_ident"},
	{"bootstrap.dcs.postgresql", optionList, "basebackup"},
	{"bootstrap.dcs.postgresql", mapping, "parameters recovery_conf"},
	{"bootstrap.dcs.postgresql", opaque, "bin_dir bin_name krbsrvname custom_conf create_replica_methods create_replica_method callbacks pre_promote before_stop pg_ctl_timeout rewind database config_base_name"},
	{"bootstrap.dcs.postgresql", opaque, "parameters_primary parameters_replica parameters_standby_leader pg_hba_primary pg_hba_replica pg_hba_standby_leader pg_ident_primary pg_ident_replica pg_ident_standby_leader"},
}

// otherStores are the sections of stores that this program does not speak.
var otherStores = []string{"consul", "etcd", "etcd3", "exhibitor", "kubernetes", "raft"}

// protections are keys whose absence of effect would leave open what the
// operator meant to close.
var protections = []struct{ path, meaning string }{
	{"zookeeper.use_ssl", "the connection to ZooKeeper is not encrypted"},
	{"zookeeper.set_acls", "znodes are created with an open ACL"},
}

// newSchema builds the tree of known keys.
func newSchema() *schemaKey {
	root := &schemaKey{}
	for _, line := range schemaLines {
		parent := root
		if line.path != "" {
			for part := range strings.SplitSeq(line.path, ".") {
				parent = parent.child(part)
			}
		}
		for name := range strings.FieldsSeq(line.names) {
			parent.child(name).kind = line.kind
		}
	}
	return root
}

func (s *schemaKey) child(name string) *schemaKey {
	c := s.children[name]
	if c == nil {
		c = &schemaKey{}
		if s.children == nil {
			s.children = map[string]*schemaKey{}
		}
		s.children[name] = c
	}
	return c
}
