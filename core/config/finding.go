package config

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// Severity tells whether a finding stops the start.
type Severity int

const (
	// Warning: the value is ignored or replaced, and the node can start.
	Warning Severity = iota
	// Error: the node cannot start with this.
	Error
)

// String returns "warning" or "error".
func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// Finding is something in the configuration that is not used as written.
type Finding struct {
	Severity Severity
	// File is the file's name, or the environment variable as "$NAME".
	File string
	// Line counts from 1; 0 if there is none.
	Line int
	// Key is the dotted path, as in "restapi.listen".
	Key string
	// Value is the value as it may be shown; "" if there is none, or it may
	// be a secret.
	Value string
	// Message says what is allowed.
	Message string
}

// String returns "file:line: key: value: message"; what is empty is left out.
func (f Finding) String() string {
	var parts []string
	switch {
	case f.File != "" && f.Line > 0:
		parts = append(parts, f.File+":"+strconv.Itoa(f.Line))
	case f.File != "":
		parts = append(parts, f.File)
	}
	for _, s := range []string{f.Key, f.Value, f.Message} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// InvalidError is the error of Load for a configuration that was read but
// cannot be used. It lists the findings of severity Error.
type InvalidError struct{ Findings []Finding }

// Error returns one finding a line.
func (e *InvalidError) Error() string {
	lines := make([]string, 0, len(e.Findings)+1)
	if len(e.Findings) != 1 {
		lines = append(lines, fmt.Sprintf("%d errors in the configuration:", len(e.Findings)))
	}
	for _, f := range e.Findings {
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "\n")
}

// shown is v as findings show it: text quoted and cut, lists and mappings by
// their kind only.
func shown(path string, v any) string {
	if secretPath(path) {
		return ""
	}
	const longest = 60
	switch v := v.(type) {
	case string:
		v = maskText(v)
		if r := []rune(v); len(r) > longest {
			v = string(r[:longest]) + "..."
		}
		return strconv.Quote(v)
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	case []any:
		return "a list"
	case *cluster.Object:
		return "a mapping"
	}
	return ""
}
