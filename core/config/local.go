package config

import (
	"cmp"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// Defaults of keys that were not set.
const (
	defaultNamespace = "service"
	defaultTickTime  = 2 * time.Second
)

// local builds the typed configuration. What does not fit becomes findings;
// the result is usable only if none of them is an Error.
func (d *document) local(environ []string) *Local {
	d.requireKeys()
	l := &Local{
		Scope:      d.text("scope"),
		Name:       cmp.Or(d.text("name"), d.text("postgresql.name")),
		Namespace:  cmp.Or(d.text("namespace"), defaultNamespace),
		StateDir:   d.text("state_dir"),
		RESTAPI:    d.restAPI(),
		RESTAccess: d.restAccess(),
		Ctl:        d.ctl(),
		ZooKeeper:  d.zooKeeper(),
		Fence:      d.fence(),
		Watchdog:   d.watchdog(),
		Bootstrap:  d.bootstrap(),
		Tags:       d.tags(),
		Log:        d.log(),
		Tracing:    d.tracing(),
		Plugins:    d.plugins(),
		root:       d.root,
		where:      d.where,
		file:       d.name,
		path:       envValue(environ, "PATH"),
		home:       envValue(environ, "HOME"),
	}
	l.postgresql, _ = d.root.Get("postgresql").(*cluster.Object)
	l.postgresql = withOldLayout(l.postgresql)
	d.checkNames(l)
	d.checkPostgres(l)
	dataDir := absolute(d.text("postgresql.data_dir"))
	if l.StateDir == "" {
		l.StateDir = filepath.Join(filepath.Dir(dataDir), ".pgregent-"+l.Name)
	}
	if dataDir != "" && inside(l.StateDir, dataDir) {
		d.report(Error, "state_dir", l.StateDir, "must not be inside the data directory, which base backups copy")
	}
	return l
}

// requireKeys reports the keys without which no node can run.
func (d *document) requireKeys() {
	required := []struct{ path, message string }{
		{"scope", "the name of the cluster"},
		{"name", "the name of this member, unique in the cluster"},
		{"restapi.listen", "host:port of the REST API"},
		{"zookeeper.hosts", "a list of host:port of the ZooKeeper servers"},
		{"postgresql.listen", "host:port of PostgreSQL"},
		{"postgresql.data_dir", "the path of the data directory"},
	}
	for _, r := range required {
		if v := d.lookup(r.path); v != nil && v != "" || r.path == "name" && d.text("postgresql.name") != "" {
			continue
		}
		d.report(Error, r.path, nil, "is not set; it must be %s", r.message)
	}
}

// checkNames refuses names that would not be one ZooKeeper path element.
func (d *document) checkNames(l *Local) {
	for _, n := range []struct{ key, value string }{{"scope", l.Scope}, {"name", l.Name}} {
		if strings.ContainsAny(n.value, "/\x00\n") || n.value == "." || n.value == ".." {
			d.report(Error, n.key, n.value, "must be one path element: no slash, not . or ..")
		}
	}
	if !cluster.PlainName(l.Name) {
		d.report(Warning, "name", l.Name, "PostgreSQL does not show it as it is in application_name, because it is longer than 63 bytes or not ASCII; this member cannot be a synchronous standby")
	}
	if strings.ContainsAny(l.Namespace, "\x00\n") {
		d.report(Error, "namespace", l.Namespace, "must be a ZooKeeper path")
	}
}

// checkPostgres checks what the postgresql section needs at the start.
func (d *document) checkPostgres(l *Local) {
	for _, a := range []struct {
		key string
		def int
	}{{"listen", defaultPostgresPort}, {"connect_address", 0}, {"proxy_address", 0}} {
		path := "postgresql." + a.key
		s := d.text(path)
		if s == "" {
			continue
		}
		hosts, _, err := splitAddress(s, a.def)
		if err == nil && a.key != "listen" && isWildcard(unbracket(hosts)) {
			d.report(Error, path, s, "must name the address at which other members reach this node")
		}
		if err != nil {
			d.report(Error, path, s, "%v", err)
		}
	}
	if l.Bootstrap != nil && l.postgresql.Object("authentication").Object("replication").Get("username") == nil {
		d.report(Error, "postgresql.authentication.replication.username", nil,
			"is not set; a cluster cannot be bootstrapped without a replication user")
	}
	listen := d.text("postgresql.listen")
	if hosts, _, err := splitAddress(listen, defaultPostgresPort); err == nil && listen != "" &&
		isWildcard(unbracket(hosts)) && d.text("postgresql.connect_address") == "" {
		d.report(Warning, "postgresql.connect_address", nil,
			"is not set and listen names no address: other members are told localhost")
	}
}

func (d *document) restAPI() RESTAPI {
	r := RESTAPI{
		Listen:         d.text("restapi.listen"),
		ConnectAddress: d.text("restapi.connect_address"),
		Username:       d.text("restapi.authentication.username"),
		Password:       d.text("restapi.authentication.password"),
	}
	if auth := d.text("restapi.auth"); auth != "" && r.Username == "" {
		r.Username, r.Password, _ = strings.Cut(auth, ":")
	}
	if (r.Username == "") != (r.Password == "") {
		d.report(Error, "restapi.authentication", nil, "needs both username and password, or neither")
	}
	if r.Listen == "" {
		return r
	}
	host, port, err := splitAddress(r.Listen, 0)
	if err == nil {
		err = checkHost(host)
	}
	if err != nil {
		d.report(Error, "restapi.listen", r.Listen, "%v", err)
		return r
	}
	host = unbracket(host)
	if host == "*" {
		host = ""
	}
	r.Listen = joinAddress(host, port)
	r.ConnectAddress = d.restConnectAddress(r.ConnectAddress, host, port)
	return r
}

// restConnectAddress checks the address that other members are given. Where
// none is set and listen names no address either, it is this host's name.
func (d *document) restConnectAddress(set, host string, port int) string {
	if set == "" {
		if isWildcard(host) {
			name, err := os.Hostname()
			if err != nil {
				name = "localhost"
			}
			host = name
			d.report(Warning, "restapi.connect_address", nil,
				"is not set and listen names no address: other members are told %s", joinAddress(host, port))
		}
		return joinAddress(host, port)
	}
	h, p, err := splitAddress(set, 0)
	switch {
	case err != nil:
		d.report(Error, "restapi.connect_address", set, "%v", err)
	case isWildcard(unbracket(h)):
		d.report(Error, "restapi.connect_address", set, "must name the address at which other members reach this node")
	case checkHost(h) != nil:
		d.report(Error, "restapi.connect_address", set, "%v", checkHost(h))
	}
	return joinAddress(unbracket(h), p)
}

// defaultTakeoverWait is long enough for a service manager to start a new
// agent.
const defaultTakeoverWait = 5 * time.Second

func (d *document) fence() Fence {
	f := Fence{Mode: FenceRequired, TakeoverWait: defaultTakeoverWait}
	if v := d.lookup("fence.mode"); v != nil {
		f.Mode = FenceMode(strings.ToLower(cluster.Text(v)))
		if isBool(v) { // YAML reads off as false
			f.Mode = FenceOff
		}
	}
	if wait, err := cluster.ParseSeconds(d.lookup("fence.takeover_wait")); err == nil {
		f.TakeoverWait = wait
	}
	return f
}

// parseTick reads a duration whose unit is the millisecond, as in zoo.cfg.
func parseTick(v any) (time.Duration, bool) {
	if n, ok := cluster.ParseInt(v); ok {
		return time.Duration(n) * time.Millisecond, true
	}
	t, err := cluster.ParseSeconds(v)
	return t, err == nil
}

// tags checks the tags that have a meaning; the others are free.
func (d *document) tags() cluster.Tags {
	o, _ := d.root.Get("tags").(*cluster.Object)
	for _, name := range []string{"nofailover", "nosync", "noloadbalance", "nostream"} {
		if v := o.Get(name); v != nil {
			if _, ok := cluster.ParseBool(v); !ok {
				d.report(Error, "tags."+name, v, "%s", is(boolean).allowed())
			}
		}
	}
	for _, pair := range [][2]string{{"nofailover", "failover_priority"}, {"nosync", "sync_priority"}} {
		v := o.Get(pair[1])
		if v == nil {
			continue
		}
		n, ok := cluster.ParseInt(v)
		refused, _ := cluster.ParseBool(o.Get(pair[0]))
		switch {
		case !ok:
			d.report(Error, "tags."+pair[1], v, "must be a whole number; 0 or less means never")
		case o.Get(pair[0]) != nil && refused != (n <= 0):
			d.report(Warning, "tags."+pair[1], v, "contradicts tags.%s, which counts", pair[0])
		}
	}
	return cluster.NewTags(o)
}

func (d *document) log() Log {
	form := d.text("log.type")
	l := Log{JSON: form == "json"}
	if form != "json" && form != "plain" && form != "" {
		d.report(Warning, "log.type", form, "must be plain or json; plain is used")
	}
	number := func(key string, standard int64) int64 {
		if n, ok := cluster.ParseInt(d.lookup("log." + key)); ok && n >= 0 {
			return n
		}
		return standard
	}
	l.Dir, l.FileSize, l.FileNum = d.text("log.dir"), number("file_size", 25_000_000), int(number("file_num", 4))
	l.Mode, l.Queue = int(number("mode", 0)), int(number("max_queue_size", 1000))
	fields, _ := d.lookup("log.static_fields").(*cluster.Object)
	for name, v := range fields.All() {
		l.Fields = append(l.Fields, Parameter{name, cluster.Text(v)})
	}
	v := d.lookup("log.level")
	if v == nil || v == "" {
		return l
	}
	level, ok := parseLevel(v)
	if !ok {
		d.report(Error, "log.level", v, "must be DEBUG, INFO, WARNING, ERROR or CRITICAL")
	}
	l.Level = level
	return l
}

// parseLevel reads the names of Python's logging levels, in any case, and
// its numbers (10 debug to 50 critical).
func parseLevel(v any) (slog.Level, bool) {
	if n, ok := v.(json.Number); ok {
		i, ok := cluster.ParseInt(n)
		return slog.Level((i - 20) * 4 / 10), ok
	}
	switch strings.ToUpper(cluster.Text(v)) {
	case "DEBUG":
		return slog.LevelDebug, true
	case "INFO":
		return slog.LevelInfo, true
	case "WARN", "WARNING":
		return slog.LevelWarn, true
	case "ERROR", "FATAL", "CRITICAL":
		return slog.LevelError, true
	}
	return slog.LevelInfo, false
}

// text returns the text of the scalar at path, "" if there is none.
func (d *document) text(path string) string {
	v := d.lookup(path)
	if v == nil || !isScalar(v) {
		return ""
	}
	return cluster.Text(v)
}

func envValue(environ []string, name string) string {
	value := ""
	for _, e := range environ {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}

// inside reports whether path is dir or lies below it.
func inside(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}
