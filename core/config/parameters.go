package config

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// controlled are the parameters that must be the same on all members. They
// come from the dynamic configuration only. least is the smallest integer
// that is accepted; other checks are in controlledValue.
var controlled = []struct {
	name, def string
	least     int64
}{
	{"wal_level", "replica", 0},
	{"hot_standby", "on", 0},
	{"max_connections", "100", 25},
	{"max_wal_senders", "10", 3},
	{"max_prepared_transactions", "0", 0},
	{"max_locks_per_transaction", "64", 32},
	{"track_commit_timestamp", "off", 0},
	{"max_replication_slots", "10", 4},
	{"max_worker_processes", "8", 2},
	{"wal_log_hints", "on", 0},
}

// fromAddress are the parameters that other keys set.
var fromAddress = []string{"listen_addresses", "port", "cluster_name"}

// WAL kept for standbys without a slot: the default and the least, in MB.
// One unit of wal_keep_segments, the setting's name before PostgreSQL 13, is
// 16 MB.
const (
	defaultWALKeepMB = 128
	leastWALKeepMB   = 16
	walSegmentMB     = 16
)

// parameters fills in Controlled, Parameters and RecoveryConf.
func (m *merger) parameters(p *Postgres) {
	dynamic, hasMap := m.dynamic.Get("parameters").(*cluster.Object)
	if m.dynamic.Get("parameters") != nil && !hasMap {
		m.warnf("postgresql.parameters of the dynamic configuration: %s; ignored", is(mapping).allowed())
	}
	wanted := lowerNames(dynamic)
	p.Controlled = []Parameter{
		{"listen_addresses", p.ListenAddresses}, {"port", strconv.Itoa(p.Port)}, {"cluster_name", p.Scope},
	}
	for _, c := range controlled {
		p.Controlled = append(p.Controlled, Parameter{c.name, m.controlledValue(c.name, c.def, c.least, wanted[c.name])})
	}
	keep := m.walKeep(wanted)
	for _, name := range fromAddress {
		if wanted[name] != nil {
			m.warnf("postgresql.parameters.%s of the dynamic configuration is ignored; listen and scope set it", name)
		}
	}
	for name, v := range lowerNames(m.local.Object("parameters")) {
		if !isControlled(name) {
			wanted[name] = v
			continue
		}
		m.dropLocal(name, v, p)
	}
	wanted["wal_keep_size"] = keep
	m.spread(p, wanted)
	slices.Sort(m.warnings) // the map's order is not one
}

// dropLocal tells that a local value has no effect, unless it is the one in
// force.
func (m *merger) dropLocal(name string, v any, p *Postgres) {
	if parameter(p.Controlled, name) != cluster.Text(v) {
		m.warnf("postgresql.parameters.%s of the local configuration is ignored; it must be the same on all members, so only the dynamic configuration sets it", name)
	}
}

// spread divides the wanted settings between postgresql.conf and the recovery
// settings of a standby.
func (m *merger) spread(p *Postgres, wanted map[string]any) {
	recovery := map[string]any{}
	for name, v := range wanted {
		switch {
		case v == nil || isControlled(name) && name != "wal_keep_size":
		case isRecovery(name):
			recovery[name] = v
		default:
			p.Parameters = append(p.Parameters, Parameter{name, m.parameterText(name, v, p.ConfigDir)})
		}
	}
	if len(recovery) == 0 { // those in parameters replace the section
		recovery = lowerNames(m.merged.Object("recovery_conf"))
	}
	for name, v := range recovery {
		switch {
		case v == nil || isOwnRecovery(name):
		case isRecovery(name):
			p.RecoveryConf = append(p.RecoveryConf, Parameter{name, cluster.Text(v)})
		default:
			m.warnf("postgresql.recovery_conf.%s is not a recovery setting; ignored", name)
		}
	}
	byName := func(a, b Parameter) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(p.Parameters, byName)
	slices.SortFunc(p.RecoveryConf, byName)
}

// parameterText is the text of a setting: booleans as True and False, lists
// joined by commas, file names made absolute.
func (m *merger) parameterText(name string, v any, configDir string) string {
	switch v := v.(type) {
	case []any:
		return strings.Join(textItems(v), ",")
	case *cluster.Object:
		m.warnf("postgresql.parameters.%s: must be a single value", name)
	}
	s := cluster.Text(v)
	if (name == "hba_file" || name == "ident_file") && !filepath.IsAbs(s) {
		return filepath.Join(configDir, s)
	}
	return s
}

// controlledValue checks v and returns it, or the default with a warning.
func (m *merger) controlledValue(name, def string, least int64, v any) string {
	if v == nil {
		return def
	}
	s := strings.TrimSpace(cluster.Text(v))
	switch name {
	case "wal_level":
		switch strings.ToLower(s) {
		case "hot_standby", "replica":
			return "replica"
		case "logical":
			return "logical"
		}
	case "hot_standby":
		if on, _ := cluster.ParseBool(v); on {
			return def
		}
	case "track_commit_timestamp", "wal_log_hints":
		if on, ok := cluster.ParseBool(v); ok && on {
			return "on"
		} else if ok {
			return "off"
		}
	default:
		if n, ok := cluster.ParseInt(v); ok && n >= least && n <= 1<<31-1 {
			return strconv.FormatInt(n, 10)
		}
	}
	m.warnf("postgresql parameter %s=%s failed validation, defaulting to %s", name, s, def)
	return def
}

// walKeep returns wal_keep_size from it or from wal_keep_segments.
func (m *merger) walKeep(wanted map[string]any) string {
	defer delete(wanted, "wal_keep_segments")
	if v := wanted["wal_keep_size"]; v != nil {
		if mb, ok := megabytes(cluster.Text(v)); ok && mb >= leastWALKeepMB {
			return cluster.Text(v)
		}
		m.warnf("postgresql parameter wal_keep_size=%s failed validation, defaulting to %dMB", cluster.Text(v), defaultWALKeepMB)
		return strconv.Itoa(defaultWALKeepMB) + "MB"
	}
	if v := wanted["wal_keep_segments"]; v != nil {
		if n, ok := cluster.ParseInt(v); ok && n >= 1 && n < 1<<27 {
			return strconv.FormatInt(n*walSegmentMB, 10) + "MB"
		}
		m.warnf("postgresql parameter wal_keep_segments=%s failed validation, defaulting to %dMB", cluster.Text(v), defaultWALKeepMB)
	}
	return strconv.Itoa(defaultWALKeepMB) + "MB"
}

// megabytes reads a size with a memory unit; a bare number is in MB.
func megabytes(s string) (float64, bool) {
	units := []struct {
		name string
		mb   float64
	}{{"kB", 1. / 1024}, {"MB", 1}, {"GB", 1024}, {"TB", 1 << 20}, {"B", 1. / (1 << 20)}, {"", 1}}
	for _, u := range units {
		if digits, ok := strings.CutSuffix(strings.TrimSpace(s), u.name); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
			return n * u.mb, err == nil
		}
	}
	return 0, false
}

func isControlled(name string) bool {
	if slices.Contains(fromAddress, name) || name == "wal_keep_size" || name == "wal_keep_segments" {
		return true
	}
	for _, c := range controlled {
		if c.name == name {
			return true
		}
	}
	return false
}

// isRecovery reports whether name is a recovery setting, of any supported
// version or of recovery.conf before PostgreSQL 12.
func isRecovery(name string) bool {
	switch name {
	case "archive_cleanup_command", "recovery_end_command", "recovery_min_apply_delay", "restore_command":
		return true
	}
	return isOwnRecovery(name)
}

// isOwnRecovery reports whether name is a recovery setting that the agent
// decides, or that would interfere with its promotion.
func isOwnRecovery(name string) bool {
	switch name {
	case "primary_conninfo", "primary_slot_name", "standby_mode", "trigger_file", "promote_trigger_file", "pause_at_recovery_target":
		return true
	}
	return name == "recovery_target" || strings.HasPrefix(name, "recovery_target_")
}

// lowerNames returns the settings by lower-case name; of two spellings the
// last one counts.
func lowerNames(o *cluster.Object) map[string]any {
	out := map[string]any{}
	for k, v := range o.All() {
		out[strings.ToLower(k)] = v
	}
	return out
}
