package postgres

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/config"
)

// guc is one row of postgres --describe-config.
type guc struct {
	kind     string // BOOLEAN, INTEGER, REAL, STRING, ENUM
	min, max float64
}

// gucCache is the list of one server binary.
type gucCache struct {
	path     string
	modified time.Time
	list     map[string]guc
}

// hiddenParameters are those that --describe-config leaves out.
const hiddenParameters = `allow_in_place_tablespaces allow_system_table_mods application_name
backtrace_functions config_file debug_discard_caches debug_parallel_query force_parallel_mode
ignore_checksum_failure ignore_invalid_pages ignore_system_indexes jit_debugging_support
jit_dump_bitcode jit_expressions jit_profiling_support jit_tuple_deforming post_auth_delay
pre_auth_delay remove_temp_files_after_crash restrict_nonsystem_relation_kind trace_notify
trace_recovery_messages trace_sort transaction_deferrable transaction_isolation
transaction_read_only wal_consistency_checking zero_damaged_pages`

// hiddenKnown reports whether a version knows a hidden parameter: a server
// must not be given one that it does not know.
func hiddenKnown(name string, major int) bool {
	if f, ok := hiddenFeatures[name]; ok {
		return has(major, f)
	}
	return slices.Contains(strings.Fields(hiddenParameters), name)
}

// knownParameters asks the server binary which parameters there are.
func (s *Server) knownParameters(ctx context.Context) (map[string]guc, error) {
	path := s.binary("postgres")
	var modified time.Time
	if info, err := os.Stat(path); err == nil {
		modified = info.ModTime()
	}
	s.mu.Lock()
	c := s.gucs
	s.mu.Unlock()
	if c.list != nil && c.path == path && c.modified.Equal(modified) {
		return c.list, nil
	}
	out, err := s.tool(ctx, tool{name: "postgres", args: []string{"--describe-config"}})
	if err != nil {
		return nil, fmt.Errorf("list parameters: %w", err)
	}
	c = gucCache{path: path, modified: modified, list: parseDescribeConfig(out)}
	s.mu.Lock()
	s.gucs = c
	s.mu.Unlock()
	return c.list, nil
}

// parseDescribeConfig reads tab-separated rows: name, context, group, type,
// default, minimum, maximum, two descriptions.
func parseDescribeConfig(text string) map[string]guc {
	list := map[string]guc{}
	for line := range strings.SplitSeq(text, "\n") {
		f := strings.Split(line, "\t")
		if len(f) < 7 {
			continue
		}
		g := guc{kind: f[3], min: math.Inf(-1), max: math.Inf(1)}
		if n, err := strconv.ParseFloat(f[5], 64); err == nil {
			g.min = n
		}
		if n, err := strconv.ParseFloat(f[6], 64); err == nil {
			g.max = n
		}
		list[strings.ToLower(f[0])] = g // DateStyle, IntervalStyle, TimeZone
	}
	return list
}

// usable filters parameters for the file: what this version does not know,
// or could not read, would keep the server from starting. The second result
// has each value that is not used as written.
func usable(list []config.Parameter, known map[string]guc, major int) (out []config.Parameter, refused []Refusal) {
	refuse := func(p config.Parameter, reason string) { refused = append(refused, Refusal{p.Name, reason}) }
	for _, p := range list {
		g, ok := known[p.Name]
		switch {
		case strings.Contains(p.Name, "."):
			out = append(out, p) // of an extension
		case isRecoveryParameter(p.Name):
			refuse(p, fmt.Sprintf("parameter %s belongs into recovery_conf; it is not used", p.Name))
		case !ok && hiddenKnown(p.Name, major):
			out = append(out, p)
		case !ok:
			refuse(p, fmt.Sprintf("parameter %s is unknown to PostgreSQL %d%s; it is not used", p.Name, major, nearest(p.Name, known)))
		default:
			value, warning := g.check(p)
			if warning != "" {
				refuse(p, warning)
			}
			if value != nil {
				out = append(out, *value)
			}
		}
	}
	return out, refused
}

// check returns the parameter as it can be written, nil if it cannot.
// Numbers with a unit are left to the server.
func (g guc) check(p config.Parameter) (*config.Parameter, string) {
	text := strings.TrimSpace(p.Value)
	switch g.kind {
	case "BOOLEAN":
		if !isBoolean(text) {
			return nil, fmt.Sprintf("parameter %s: %q is not a boolean; it is not used", p.Name, p.Value)
		}
	case "INTEGER", "REAL":
		digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzBMGT ")
		n, err := strconv.ParseFloat(digits, 64)
		if err != nil {
			if m, err := strconv.ParseInt(text, 0, 64); err == nil {
				n = float64(m) // hexadecimal or octal
			} else {
				return nil, fmt.Sprintf("parameter %s: %q is not a number; it is not used", p.Name, p.Value)
			}
		}
		if digits != text {
			return &p, ""
		}
		if fit := min(max(n, g.min), g.max); fit != n {
			old := p.Value
			p.Value = strconv.FormatFloat(fit, 'f', -1, 64)
			return &p, fmt.Sprintf("parameter %s: %s is out of range; %s is used", p.Name, old, p.Value)
		}
	}
	return &p, ""
}

// isBoolean knows what the server knows: unique prefixes of the words.
func isBoolean(text string) bool {
	text = strings.ToLower(text)
	if text == "0" || text == "1" || text == "on" {
		return true
	}
	for _, w := range []string{"true", "false", "yes", "no"} {
		if text != "" && strings.HasPrefix(w, text) {
			return true
		}
	}
	return len(text) >= 2 && strings.HasPrefix("off", text)
}

// nearest returns " (did you mean X?)" for a name of which one letter or two
// are wrong, else "".
func nearest(name string, known map[string]guc) string {
	best, least := "", 3
	for _, k := range slices.Sorted(maps.Keys(known)) {
		if d := config.Distance(name, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return " (did you mean " + best + "?)"
}
