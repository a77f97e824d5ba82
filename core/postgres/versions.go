package postgres

import "fmt"

// oldestVersion and newestVersion bound the supported major versions.
const (
	oldestVersion = 13
	newestVersion = 18
)

// perMajor is what server_version_num counts for a major version: 150004 is
// 15.4.
const perMajor = 10000

// feature is something that the agent does differently by major version.
type feature string

const (
	promoteTriggerFile  feature = "the parameter promote_trigger_file"
	crlDirectory        feature = "sslcrldir in a connection string"
	sslNegotiation      feature = "sslnegotiation in a connection string"
	reloadableRestore   feature = "a new restore_command without a restart"
	rewindConfigFile    feature = "pg_rewind --config-file"
	lazyCheckpoint      feature = "pg_rewind from a source without a checkpoint on its timeline"
	forceParallelMode   feature = "the parameter force_parallel_mode"
	debugParallelQuery  feature = "the parameter debug_parallel_query"
	traceRecovery       feature = "the parameter trace_recovery_messages"
	inPlaceTablespaces  feature = "the parameter allow_in_place_tablespaces"
	discardCaches       feature = "the parameter debug_discard_caches"
	removeTempFiles     feature = "the parameter remove_temp_files_after_crash"
	restrictRelationKnd feature = "the parameter restrict_nonsystem_relation_kind"
)

// versions is the table of what each major version can do: from since on,
// until it was removed (0: it was not).
var versions = map[feature]struct{ since, removed int }{
	promoteTriggerFile:  {12, 16},
	crlDirectory:        {14, 0},
	sslNegotiation:      {17, 0},
	reloadableRestore:   {14, 0},
	rewindConfigFile:    {15, 0},
	lazyCheckpoint:      {16, 0},
	forceParallelMode:   {0, 16},
	debugParallelQuery:  {16, 0},
	traceRecovery:       {0, 17},
	inPlaceTablespaces:  {15, 0},
	discardCaches:       {14, 0},
	removeTempFiles:     {14, 0},
	restrictRelationKnd: {17, 0},
}

// has reports whether a major version has a feature.
func has(major int, f feature) bool {
	v := versions[f]
	return major >= v.since && (v.removed == 0 || major < v.removed)
}

// hiddenFeatures are the parameters that --describe-config leaves out and
// that not all versions have.
var hiddenFeatures = map[string]feature{
	"force_parallel_mode":              forceParallelMode,
	"debug_parallel_query":             debugParallelQuery,
	"trace_recovery_messages":          traceRecovery,
	"allow_in_place_tablespaces":       inPlaceTablespaces,
	"debug_discard_caches":             discardCaches,
	"remove_temp_files_after_crash":    removeTempFiles,
	"restrict_nonsystem_relation_kind": restrictRelationKnd,
}

// supported is the version gate.
func supported(major int) error {
	if major < oldestVersion || major > newestVersion {
		return fmt.Errorf("PostgreSQL %d is not supported, only %d to %d are", major, oldestVersion, newestVersion)
	}
	return nil
}
