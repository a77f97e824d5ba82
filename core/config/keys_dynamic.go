package config

// dynamicKeys stand at the top level of the dynamic configuration.
var dynamicKeys = []keyRow{
	{"ttl", period(5, unlimited, "s"), "30", AtReload, "Time after which another member may take over from a leader that is not heard of."},
	{"loop_wait", period(1, unlimited, "s"), "10", AtReload, "How old what the agent knows may get; loop_wait + 2*retry_timeout must not exceed ttl."},
	{"retry_timeout", period(1, unlimited, "s"), "10", AtReload, "Limit of one operation on ZooKeeper or PostgreSQL with its retries."},
	{"maximum_lag_on_failover", between(0, unlimited, "bytes"), "1048576", AtReload, "How far behind a standby may be and still be promoted."},
	{"maximum_lag_on_syncnode", between(-1, unlimited, "bytes"), "-1", AtReload, "How far behind a synchronous standby may be before another replaces it; 0 or less: any."},
	{"max_timelines_history", between(0, unlimited, "rows"), "0", AtReload, "Rows of the history key; 0: all."},
	{"check_timeline", is(boolean), "false", AtReload, "A standby on an older timeline than the cluster's is not promoted."},
	{"primary_start_timeout", period(0, unlimited, "s"), "300", AtReload, "How long a crashed primary may take to come back before a standby takes over; 0: no time."},
	{"master_start_timeout", period(0, unlimited, "s"), "", AtReload, "Old name of primary_start_timeout, used if that is absent."},
	{"primary_stop_timeout", period(0, unlimited, "s"), "0", AtReload, "Limit of a stop in synchronous mode, after which PostgreSQL is killed; 0: none."},
	{"master_stop_timeout", period(0, unlimited, "s"), "", AtReload, "Old name of primary_stop_timeout, used if that is absent."},
	{"synchronous_mode", oneOf("off on quorum").also("true false yes no 1 0"), "off", AtReload, "Whether commits wait for standbys, so that a failover loses none."},
	{"synchronous_mode_strict", is(boolean), "false", AtReload, "Commits wait even while no standby can confirm them."},
	{"synchronous_node_count", between(0, unlimited, ""), "1", AtReload, "Standbys that confirm a commit."},
	{"failsafe_mode", is(boolean), "false", AtReload, "The primary goes on without ZooKeeper while it reaches all members."},
	{"pause", is(boolean), "false", AtReload, "The agents watch and change nothing by themselves."},
	{"member_slots_ttl", period(0, unlimited, "s"), "1800", AtReload, "How long the slot of a member that went is kept; 0: not at all."},
	{"slots", is(mapping), "", AtReload, "Permanent replication slots by name."},
	{"permanent_slots", is(mapping), "", AtReload, "Another name of slots."},
	{"permanent_replication_slots", is(mapping), "", AtReload, "Another name of slots."},
	{"ignore_slots", is(opaque), "", AtReload, "Slots that are none of the agents' business, by name, type, database and plugin."},
	{"primary_race_backoff", period(0, unlimited, "s"), "0", NoEffect, "Of Patroni's development head."},
}

// standbyClusterKeys name the server outside that a standby cluster follows.
var standbyClusterKeys = []keyRow{
	{"host", is(text), "", AtReload, "Host of the server outside, or several separated by commas."},
	{"port", is(text), "", AtReload, "Its port, or several separated by commas."},
	{"primary_slot_name", is(text), "", AtReload, "Slot there that the standby leader streams from."},
	{"restore_command", is(text), "", AtReload, "Fetches segments from that cluster's archive."},
	{"archive_cleanup_command", is(text), "", AtReload, "Removes segments that are not needed any more."},
	{"recovery_min_apply_delay", is(text), "", AtReload, "How long the standby leader waits before it replays a commit."},
	{"create_replica_methods", is(textList), "", AtUse, "Ways to make the standby leader."},
}
