package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// retryInterval is our wal_retrieve_retry_interval: with the default of 5 s a
// standby whose primary went sits in that sleep when it is to be promoted.
var retryInterval = config.Parameter{Name: "wal_retrieve_retry_interval", Value: "200ms"}

// recoveryParameters are the recovery settings that are ours to write.
var recoveryParameters = []string{
	"archive_cleanup_command", "primary_conninfo", "primary_slot_name", "promote_trigger_file",
	"recovery_end_command", "recovery_min_apply_delay", "recovery_target", "recovery_target_action",
	"recovery_target_inclusive", "recovery_target_lsn", "recovery_target_name", "recovery_target_time",
	"recovery_target_timeline", "recovery_target_xid", "restore_command",
}

func isRecoveryParameter(name string) bool { return slices.Contains(recoveryParameters, name) }

// recoverySettings are a standby's, sorted by name. up is nil for one that
// follows nobody.
func recoverySettings(cfg config.Postgres, up *cluster.Upstream, major int) []config.Parameter {
	var out []config.Parameter
	for _, p := range withStandbyCluster(cfg, up) {
		switch {
		case strings.HasPrefix(p.Name, "recovery_target"), p.Name == "primary_conninfo", p.Name == "primary_slot_name":
		case p.Name == "promote_trigger_file" && !has(major, promoteTriggerFile), !isRecoveryParameter(p.Name):
		default:
			out = append(out, p)
		}
	}
	out = append(out, config.Parameter{Name: "recovery_target_timeline", Value: "latest"})
	// Empty targets win over those of an included file.
	for _, n := range []string{"", "_lsn", "_name", "_time", "_xid"} {
		out = append(out, config.Parameter{Name: "recovery_target" + n})
	}
	if up != nil && up.Streams() {
		out = append(out, config.Parameter{Name: "primary_conninfo", Value: primaryConninfo(cfg, *up, major)})
	}
	if name := slotOn(cfg, up); name != "" {
		out = append(out, config.Parameter{Name: "primary_slot_name", Value: name})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// role is what the configuration is written for.
type role struct {
	standby bool
	up      *cluster.Upstream
}

// confText is the content of postgresql.conf.
func confText(cfg config.Postgres, include string, params []config.Parameter, r role, major int) string {
	var b strings.Builder
	b.WriteString(doNotEdit)
	if include != "" {
		fmt.Fprintf(&b, "include %s\n\n", quoteValue(include))
	}
	line := func(name, value string) { fmt.Fprintf(&b, "%s = %s\n", name, quoteValue(value)) }
	for _, p := range params {
		line(p.Name, p.Value)
	}
	for _, f := range []struct{ name, file string }{{"hba_file", "pg_hba.conf"}, {"ident_file", "pg_ident.conf"}} {
		if _, set := parameter(params, f.name); !set {
			line(f.name, filepath.Join(configDir(cfg), f.file))
		}
	}
	if r.standby {
		b.WriteString("\n# recovery settings\n")
		for _, p := range recoverySettings(cfg, r.up, major) {
			line(p.Name, p.Value)
		}
	}
	return b.String()
}

// baseName is where the postgresql.conf is kept that was there before ours.
const baseName = "postgresql.base.conf"

// keepOriginal renames postgresql.conf to postgresql.base.conf exactly once
// and returns what ours has to include, "" for nothing.
func keepOriginal(cfg config.Postgres) (string, error) {
	if cfg.CustomConf != "" {
		return cfg.CustomConf, nil
	}
	conf, base := filepath.Join(configDir(cfg), "postgresql.conf"), filepath.Join(configDir(cfg), baseName)
	if _, err := os.Lstat(base); err == nil {
		return baseName, nil
	}
	text, err := os.ReadFile(conf)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("keep original postgresql.conf: %w", err)
	}
	if generated(string(text)) {
		return "", nil // ours or another agent's, whose base is lost
	}
	if err := os.Rename(conf, base); err != nil {
		return "", fmt.Errorf("keep original postgresql.conf: %w", err)
	}
	return baseName, nil
}

// writeConf writes postgresql.conf, pg_hba.conf and pg_ident.conf for a role.
func (s *Server) writeConf(ctx context.Context, r role) (changed bool, err error) {
	return s.writeConfFor(ctx, func() role { return r })
}

// writeConfFor is writeConf; the role is asked for when nobody else writes.
func (s *Server) writeConfFor(ctx context.Context, which func() role) (changed bool, err error) {
	s.confMu.Lock()
	defer s.confMu.Unlock()
	r := which()
	cfg := s.config()
	major, err := majorVersion(cfg.DataDir)
	if err != nil {
		return false, err
	}
	known, err := s.knownParameters(ctx)
	if err != nil {
		return false, err
	}
	if err := restoreConfig(cfg); err != nil {
		return false, err
	}
	include, err := keepOriginal(cfg)
	if err != nil {
		return false, err
	}
	params, unusable := usable(wanted(cfg, include), known, major)
	params, cfg, refused := s.accepted(ctx, params, cfg)
	s.warn("parameters", sentences(append(unusable, refused...)))
	params = s.withSyncNames(params, cfg)
	if r.up != nil {
		if err := s.writePassFor(*r.up); err != nil {
			return false, err
		}
	}
	restoring := s.restoring()
	if restoring != nil {
		params = slices.Concat(params, restoring.parameters())
	}
	path := filepath.Join(configDir(cfg), "postgresql.conf")
	text := confText(cfg, include, params, r, major)
	if changed, err = writeIfChanged(path, []byte(text), fileMode(cfg.DataDir)); err != nil {
		return false, err
	}
	if restoring == nil || !restoring.keepsAuto() {
		if err := cleanAutoConf(cfg.DataDir, s.managedNames(cfg) != nil); err != nil {
			return changed, err
		}
	}
	if restoring != nil {
		cfg = trusting(cfg)
	}
	hba, err := writeHba(cfg)
	if err != nil {
		return changed, err
	}
	return changed || hba, nil
}

// wanted are the parameters for the file, sorted by name. Those of the command
// line are among them: an included file with other values would make the
// server complain at each reload. Our wal_retrieve_retry_interval is added if
// neither the parameters nor the included file set one.
func wanted(cfg config.Postgres, include string) []config.Parameter {
	list := slices.Concat(cfg.Controlled, cfg.Parameters)
	byName := func(a, b config.Parameter) int { return strings.Compare(a.Name, b.Name) }
	slices.SortStableFunc(list, byName)
	if _, set := parameter(cfg.Parameters, retryInterval.Name); set {
		return list
	}
	path := include
	if !filepath.IsAbs(path) {
		path = filepath.Join(configDir(cfg), path)
	}
	if text, err := os.ReadFile(path); err == nil && setsParameter(string(text), retryInterval.Name) {
		return list
	}
	list = append(list, retryInterval)
	slices.SortStableFunc(list, byName)
	return list
}

// setsParameter reports whether a configuration text has a line for name.
func setsParameter(text, name string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		if lineName(line) == name {
			return true
		}
	}
	return false
}

// lineName is the parameter that a line of a configuration file sets, ""
// for comments and blank lines.
func lineName(line string) string {
	line = strings.TrimSpace(line)
	if i := strings.IndexAny(line, " \t=#"); i >= 0 {
		line = line[:i]
	}
	return strings.ToLower(line)
}

// cleanAutoConf removes recovery parameters from postgresql.auto.conf, where
// they would win over ours; and the synchronous standbys if these are managed.
func cleanAutoConf(dataDir string, managed bool) error {
	path := filepath.Join(dataDir, "postgresql.auto.conf")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("clean postgresql.auto.conf: %w", err)
	}
	var kept []string
	for line := range strings.SplitSeq(string(text), "\n") {
		ours := isRecoveryParameter(lineName(line)) || managed && lineName(line) == syncNamesParameter
		if !ours {
			kept = append(kept, line)
		}
	}
	_, err = writeIfChanged(path, []byte(strings.Join(kept, "\n")), fileMode(dataDir))
	return err
}

// warn logs warnings about the configuration when they change.
func (s *Server) warn(source string, warnings []string) {
	s.mu.Lock()
	same := slices.Equal(s.warned[source], warnings)
	s.warned[source] = warnings
	s.mu.Unlock()
	if same {
		return
	}
	for _, w := range warnings {
		s.log.Warn("configuration value not used as written", slog.String("reason", w))
	}
}

// writeSignals makes the signal files of the data directory fit the role.
func writeSignals(dataDir string, standby bool) error {
	if !standby {
		return removeFiles(dataDir, "standby.signal", "recovery.signal")
	}
	if _, err := writeIfChanged(filepath.Join(dataDir, "standby.signal"), nil, fileMode(dataDir)); err != nil {
		return err
	}
	return removeFiles(dataDir, "recovery.signal")
}

// signalledStandby reports whether the next start would be in recovery.
func signalledStandby(dataDir string) bool {
	for _, n := range []string{"standby.signal", "recovery.signal"} {
		if _, err := os.Lstat(filepath.Join(dataDir, n)); err == nil {
			return true
		}
	}
	return false
}
