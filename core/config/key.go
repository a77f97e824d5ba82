package config

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// Layer says where a key may be set.
type Layer int

const (
	// InFile keys are of the local configuration: file and environment.
	InFile Layer = iota
	// InStore keys are of the dynamic configuration, which all members share.
	InStore
	// InBoth keys may be in both; the local value wins as a whole.
	InBoth
)

// Change says what it takes until a changed value counts.
type Change string

// The ways in which a change takes effect.
const (
	AtReload       Change = "reload"             // SIGHUP, POST /reload, or PATCH /config
	AtAgentRestart Change = "agent restart"      // the agent reads it once
	AtRestart      Change = "PostgreSQL restart" // flagged as pending_restart
	AtBootstrap    Change = "new cluster"        // read only when the cluster is made
	AtUse          Change = "next use"           // read whenever it is needed
	NoEffect       Change = "none"               // meaningless here; accepted, because existing files have it
	NotSupported   Change = "not supported"      // accepted with a warning
)

// Key is one key of the configuration, as documented.
type Key struct {
	// Path is dotted, as in restapi.listen. Keys of the dynamic configuration
	// have no prefix: in a file they stand under bootstrap.dcs.
	Path string
	In   Layer
	// Default is how the default would be written; "" if there is none.
	Default string
	Change  Change
	// Doc is one sentence.
	Doc string

	shape shape
}

// Type says in words what the key takes.
func (k Key) Type() string { return strings.TrimPrefix(k.shape.allowed(), "must be ") }

// Unit is the unit of a bare number; "" if it has none.
func (k Key) Unit() string { return k.shape.unit }

// Keys returns all known keys, section by section.
func Keys() iter.Seq[Key] {
	return func(yield func(Key) bool) {
		for _, g := range keyGroups {
			for _, r := range g.rows {
				k := Key{join(g.section, r.name), g.in, r.def, r.change, r.doc, r.shape}
				if !yield(k) {
					return
				}
			}
		}
	}
}

// keyGroup is the rows of one section that may stand in the same layer.
type keyGroup struct {
	section string
	in      Layer
	rows    []keyRow
}

// keyRow is one key within its section.
type keyRow struct {
	name   string
	shape  shape
	def    string
	change Change
	doc    string
}

// keyGroups is the table of all keys.
var keyGroups = []keyGroup{
	{"", InFile, topKeys},
	{"log", InFile, logKeys},
	{"restapi", InFile, restKeys},
	{"ctl", InFile, ctlKeys},
	{"observability.tracing", InFile, tracingKeys},
	{"zookeeper", InFile, zooKeeperKeys},
	{"fence", InFile, fenceKeys},
	{"watchdog", InFile, watchdogKeys},
	{"tags", InFile, tagKeys},
	{"bootstrap", InFile, bootstrapKeys},
	{"", InStore, dynamicKeys},
	{"standby_cluster", InStore, standbyClusterKeys},
	{"postgresql", InFile, postgresLocalKeys},
	{"postgresql.authentication.superuser", InFile, credentialKeys},
	{"postgresql.authentication.replication", InFile, credentialKeys},
	{"postgresql.authentication.rewind", InFile, credentialKeys},
	{"postgresql", InStore, postgresDynamicKeys},
	{"postgresql", InBoth, postgresBothKeys},
	{"postgresql.callbacks", InBoth, callbackKeys},
	{"postgresql.bin_name", InBoth, binNameKeys},
}

// kind is what may stand under a key.
type kind int

const (
	// section is a mapping with known keys.
	section kind = iota
	// opaque is anything: a key that is known and not looked into here.
	opaque
	text
	boolean
	integer    // a whole number, within limits
	duration   // a whole number in the unit, or a number with a unit of time
	choice     // one of some words
	textList   // a list of text; one text is a list of one
	optionList // command-line options: a list of text and one-entry mappings, or a mapping
	textMap    // any key, with scalar values
	mapping    // any key, any value
)

// shape is what values a key takes.
type shape struct {
	kind        kind
	least, most int64 // of integer and duration; both 0: any
	unit        string
	words       string // of choice, separated by blanks
	aliases     string // further words of choice
}

// is makes the shape of a kind that needs no more.
func is(k kind) shape { return shape{kind: k} }

// between makes a whole number from least to most.
func between(least, most int64, unit string) shape {
	return shape{kind: integer, least: least, most: most, unit: unit}
}

// period makes a duration from least to most, in unit if it is bare.
func period(least, most int64, unit string) shape {
	return shape{kind: duration, least: least, most: most, unit: unit}
}

// oneOf makes a choice of words.
func oneOf(words string) shape { return shape{kind: choice, words: words} }

// also accepts further words, without showing them.
func (s shape) also(aliases string) shape {
	s.aliases = aliases
	return s
}

// unlimited is the upper limit of what has none.
const unlimited = 1<<63 - 1

// allowed says in words what a shape accepts.
func (s shape) allowed() string {
	switch s.kind {
	case section, mapping:
		return "must be a mapping of keys to values"
	case text:
		return "must be text"
	case boolean:
		return "must be true or false (or on, off, yes, no)"
	case integer:
		return "must be a whole number" + s.limits()
	case duration:
		return "must be a number of " + unitName(s.unit) + ", or a number with a unit (500ms, 10s, 5min)" + s.limits()
	case choice:
		words := strings.Fields(s.words)
		last := len(words) - 1
		if last < 1 {
			return "must be " + s.words
		}
		return "must be " + strings.Join(words[:last], ", ") + " or " + words[last]
	case textList:
		return "must be a list of text"
	case optionList:
		return "must be a list of options (name, or name: value), or a mapping"
	case textMap:
		return "must be a mapping of names to single values"
	}
	return "anything"
}

func (s shape) limits() string {
	unit := ""
	if s.unit != "" {
		unit = " " + s.unit
	}
	switch {
	case s.least == 0 && s.most == 0:
		return ""
	case s.most == unlimited:
		return fmt.Sprintf(", at least %d%s", s.least, unit)
	}
	return ", from " + strconv.FormatInt(s.least, 10) + " to " + strconv.FormatInt(s.most, 10) + unit
}

func unitName(unit string) string {
	if unit == "ms" {
		return "milliseconds"
	}
	return "seconds"
}
