package config

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Under are the settings of a key and those below it; all for "".
func Under(settings []Setting, key string) []Setting {
	if key == "" {
		return settings
	}
	var found []Setting
	for _, s := range settings {
		if s.Key == key || strings.HasPrefix(s.Key, key+".") {
			found = append(found, s)
		}
	}
	return found
}

// WriteExplanation writes, for people, what is known of one key and the
// settings below it. It is an error if that is nothing at all.
func WriteExplanation(out io.Writer, key string, settings []Setting) error {
	known := false
	for k := range Keys() {
		if k.Path != key {
			continue
		}
		known = true
		fmt.Fprintf(out, "%s\n  takes:    %s\n", k.Doc, k.Type())
		if k.Default != "" {
			fmt.Fprintf(out, "  default:  %s\n", strings.TrimSpace(k.Default+" "+k.Unit()))
		}
		fmt.Fprintf(out, "  change:   %s\n", k.Change)
	}
	if len(settings) == 0 && !known {
		return fmt.Errorf("%s is neither set nor a known key", key)
	}
	if len(settings) == 0 {
		fmt.Fprintf(out, "%s is not set\n", key)
	}
	for _, s := range settings {
		fmt.Fprintf(out, "%s = %s\n  set by:   %s\n", s.Key, s.Value, s.Where())
		if s.Note != "" {
			fmt.Fprintf(out, "  note:     %s\n", s.Note)
		}
	}
	return nil
}

// WriteSettings writes settings as indented JSON.
func WriteSettings(out io.Writer, settings []Setting) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(settings); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return nil
}

// Where is a setting's origin in words.
func (s Setting) Where() string {
	at := s.File
	if s.Line > 0 {
		at = fmt.Sprintf("%s:%d", at, s.Line)
	}
	if at == "" {
		return string(s.Origin)
	}
	if s.Origin == FromStore && s.Line > 0 {
		return "bootstrap.dcs " + at // as long as there is no cluster
	}
	return string(s.Origin) + " " + at
}
