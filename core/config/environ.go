package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// Prefixes of the variables that are read. The native one wins.
const (
	patroniPrefix = "PATRONI_"
	nativePrefix  = "PGREGENT_"
)

// variable tells which key a variable sets, and how its text is read.
type variable struct {
	path  string
	parse func(text string) (any, bool)
}

// fixedNames are the variables without prefix, by the section of their key
// and the way they are read. "x" stands for the lower-cased name.
var fixedNames = []struct {
	prefix, section string
	parse           func(string) (any, bool)
	names           string
}{
	{"", "", asText, "NAME NAMESPACE SCOPE STATE_DIR THREAD_POOL_SIZE THREAD_STACK_SIZE"},
	{"RESTAPI_", "restapi", asText, "LISTEN CONNECT_ADDRESS CERTFILE KEYFILE KEYFILE_PASSWORD CAFILE CIPHERS VERIFY_CLIENT SERVER_TOKENS"},
	{"RESTAPI_", "restapi", asInt, "REQUEST_QUEUE_SIZE"},
	{"RESTAPI_", "restapi", asBool, "ALLOWLIST_INCLUDE_MEMBERS"},
	{"RESTAPI_", "restapi", asList, "ALLOWLIST"},
	{"RESTAPI_", "restapi", asMap, "HTTP_EXTRA_HEADERS HTTPS_EXTRA_HEADERS"},
	{"RESTAPI_", "restapi.authentication", asText, "USERNAME PASSWORD"},
	{"CTL_", "ctl.authentication", asText, "USERNAME PASSWORD"},
	{"CTL_", "ctl", asBool, "INSECURE"},
	{"CTL_", "ctl", asText, "CACERT CERTFILE KEYFILE KEYFILE_PASSWORD"},
	{"POSTGRESQL_", "postgresql", asText, "LISTEN CONNECT_ADDRESS PROXY_ADDRESS CONFIG_DIR DATA_DIR PGPASS BIN_DIR"},
	{"POSTGRESQL_BIN_", "postgresql.bin_name", asText, "PG_CTL INITDB PG_CONTROLDATA PG_BASEBACKUP POSTGRES PG_ISREADY PG_REWIND"},
	{"SUPERUSER_", "postgresql.authentication.superuser", asText, authWords},
	{"REPLICATION_", "postgresql.authentication.replication", asText, authWords},
	{"REWIND_", "postgresql.authentication.rewind", asText, authWords},
	{"LOG_", "log", asText, "TYPE LEVEL TRACEBACK_LEVEL DATEFORMAT DIR"},
	{"LOG_", "log", asFormat, "FORMAT"},
	{"LOG_", "log", asInt, "MAX_QUEUE_SIZE FILE_SIZE FILE_NUM MODE"},
	{"LOG_", "log", asBool, "DEDUPLICATE_HEARTBEAT_LOGS"},
	{"LOG_", "log", asMap, "STATIC_FIELDS LOGGERS"},
	{"ZOOKEEPER_", "zookeeper", asList, "HOSTS"},
	{"ZOOKEEPER_", "zookeeper", asMap, "SET_ACLS AUTH_DATA"},
	{"ZOOKEEPER_", "zookeeper", asBool, "VERIFY VERIFY_HOSTNAME USE_SSL"},
	{"ZOOKEEPER_", "zookeeper", asText, "CACERT CERT KEY KEY_PASSWORD TICK_TIME"},
}

// oldNames are variables that count only if their newer name is unset.
var oldNames = map[string]string{"LOGLEVEL": "LOG_LEVEL", "LOGFORMAT": "LOG_FORMAT", "LOG_DATEFMT": "LOG_DATEFORMAT"}

// variables returns what each variable sets, by name without prefix. With the
// native prefix every key of the file has one: WATCHDOG_MODE for
// watchdog.mode.
func variables(prefix string) map[string]variable {
	out := map[string]variable{}
	for _, group := range fixedNames {
		for name := range strings.FieldsSeq(group.names) {
			out[group.prefix+strings.ToUpper(name)] = variable{
				path: join(group.section, strings.ToLower(name)), parse: group.parse,
			}
		}
	}
	if prefix == nativePrefix {
		for k := range Keys() {
			name := strings.ToUpper(strings.ReplaceAll(k.Path, ".", "_"))
			if _, set := out[name]; !set && k.In != InStore {
				out[name] = variable{k.Path, k.shape.parser()}
			}
		}
	}
	return out
}

// parser is how the text of a variable is read for a key of that shape.
func (s shape) parser() func(string) (any, bool) {
	switch s.kind {
	case boolean:
		return asBool
	case integer:
		return asInt
	case textList:
		return asList
	case textMap, mapping:
		return asMap
	case optionList, opaque:
		return fragment
	}
	return asText
}

// environment returns the variables with prefix, without it. Empty ones
// count as unset.
func environment(environ []string, prefix string) map[string]string {
	out := map[string]string{}
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if short, found := strings.CutPrefix(name, prefix); ok && found && value != "" {
			out[short] = value
		}
	}
	for old, name := range oldNames {
		v, found := out[old]
		if !found {
			continue
		}
		delete(out, old)
		if _, newer := out[name]; !newer {
			out[name] = v
		}
	}
	return out
}

// overlay sets the keys that the variables with prefix name.
func (d *document) overlay(environ []string, prefix string) {
	set := environment(environ, prefix)
	delete(set, "CONFIGURATION")
	known := variables(prefix)
	for _, name := range slices.Sorted(maps.Keys(set)) {
		v, ok := known[name]
		if !ok {
			f := unknownVariable(prefix, name)
			if near := nearestName(name, slices.Sorted(maps.Keys(known))); near != "" && f.Severity == Warning {
				f.Message += "; did you mean " + prefix + near + "?"
			}
			d.findings = append(d.findings, f)
			continue
		}
		value, ok := v.parse(set[name])
		if !ok {
			f := Finding{Severity: Warning, File: "$" + prefix + name, Key: v.path, Message: "not understood and ignored"}
			if k := newSchema().find(v.path); k != nil {
				f.Message += "; " + k.shape.allowed()
			}
			d.findings = append(d.findings, f)
			continue
		}
		d.set(v.path, value, position{file: "$" + prefix + name})
	}
}

func unknownVariable(prefix, name string) Finding {
	f := Finding{Severity: Warning, File: "$" + prefix + name, Message: "unknown variable"}
	store, _, _ := strings.Cut(name, "_")
	if slices.Contains(otherStores, strings.ToLower(store)) {
		f.Severity, f.Message = Error, "this build speaks ZooKeeper; unset the variable, and name the ZooKeeper servers in PATRONI_ZOOKEEPER_HOSTS"
	}
	if store == "CITUS" {
		f.Severity, f.Message = Error, "Citus groups are not supported by this build"
	}
	return f
}

// set puts a value at a dotted path, making the mappings on the way.
func (d *document) set(path string, value any, pos position) {
	o := d.root
	parts := strings.Split(path, ".")
	for _, part := range parts[:len(parts)-1] {
		sub := o.Object(part)
		if sub == nil {
			sub = &cluster.Object{}
			o.Set(part, sub)
		}
		o = sub
	}
	o.Set(parts[len(parts)-1], value)
	d.where[path] = pos
}

func asText(s string) (any, bool) { return s, true }

func asInt(s string) (any, bool) {
	n, ok := parseYAMLInt(s)
	if !ok || !yamlInt.MatchString(s) {
		return nil, false
	}
	return n, true
}

func asBool(s string) (any, bool) { return cluster.ParseBool(s) }

// asList reads a YAML list; brackets around it may be left out.
func asList(s string) (any, bool) {
	if !strings.HasPrefix(s, "-") && !strings.Contains(s, "[") {
		s = "[" + s + "]"
	}
	v, ok := fragment(s)
	list, isList := v.([]any)
	return list, ok && isList
}

// asMap reads a YAML mapping; braces around it may be left out.
func asMap(s string) (any, bool) {
	if !strings.HasPrefix(s, "{") {
		s = "{" + s + "}"
	}
	v, ok := fragment(s)
	o, isObject := v.(*cluster.Object)
	return o, ok && isObject
}

var formatItem = regexp.MustCompile(`%\(\w+\)`)

// asFormat reads a log format: text with %(field)s items, else a list.
func asFormat(s string) (any, bool) {
	if formatItem.MatchString(s) {
		return s, true
	}
	return asList(s)
}

// fragment reads YAML that is part of a document.
func fragment(s string) (any, bool) {
	node, err := decodeOne([]byte(s))
	if err != nil || node == nil {
		return nil, false
	}
	doc := newDocument("")
	r := &yamlReader{doc: doc, budget: maxNodes}
	v := r.value(node, "", 0)
	return v, len(doc.findings) == 0
}
