package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// localOnly are keys of the postgresql section that count only in the local
// configuration.
const localOnly = " connect_address proxy_address listen config_dir data_dir pgpass authentication "

// defaultPgCtlTimeout bounds the wait for the start of a standby.
const defaultPgCtlTimeout = 60 * time.Second

// Postgres merges the local postgresql section over the dynamic one (nil:
// none) over the defaults. warnings has one sentence for each value that is
// not used as written.
func (l *Local) Postgres(dynamic *cluster.Object) (p Postgres, warnings []string) {
	m := &merger{local: l.postgresql, dynamic: dynamic.Object("postgresql")}
	m.merged = m.sections()
	settings, _ := cluster.ParseSettings(dynamic)
	p = Postgres{
		Scope: l.Scope, Name: l.Name,
		DataDir:       absolute(m.text("data_dir")),
		Database:      cmp.Or(m.text("database"), "postgres"),
		CustomConf:    m.text("custom_conf"),
		UseUnixSocket: m.boolean("use_unix_socket"),
		KrbSrvName:    m.text("krbsrvname"),
		UseSlots:      settings.UseSlots,
		UsePgRewind:   m.boolean("use_pg_rewind"),
		PgCtlTimeout:  m.pgCtlTimeout(),
		RetryTimeout:  settings.RetryTimeout,

		StandbyCluster: settings.StandbyCluster,
		PgPass:         cmp.Or(m.text("pgpass"), filepath.Join(cmp.Or(l.home, "/"), "pgpass")),
		ProxyAddress:   m.text("proxy_address"),
	}
	p.ConfigDir = cmp.Or(absolute(m.text("config_dir")), p.DataDir)
	m.addresses(&p)
	auth := m.merged.Object("authentication")
	p.Superuser = credentials(auth.Object("superuser"))
	p.Replication = credentials(auth.Object("replication"))
	p.Rewind = credentials(auth.Object("rewind"))
	p.BinName = textValues(m.merged.Object("bin_name"))
	p.BinDir = cmp.Or(m.text("bin_dir"), findBinDir(p, l.path))
	m.parameters(&p)
	m.feedback(&p, settings, l.Tags)
	m.accessFiles(&p)
	var refused []string
	p.BaseBackup, refused = parseOptions(m.merged.Get("basebackup"), forbiddenBaseBackup)
	for _, name := range refused {
		m.warnf("postgresql.basebackup: option %s is set by the agent and ignored", name)
	}
	p.Site = m.site()
	return p, m.warnings
}

// absolute is a path as seen from the directory in which the agent started.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path // that directory is gone; what uses the path tells
}

// Settings reads the dynamic settings as cluster.ParseSettings does, with
// those keys of the local postgresql section that win over the dynamic ones.
func (l *Local) Settings(dynamic *cluster.Object) (cluster.Settings, []string) {
	o := dynamic.Clone()
	pg := o.Object("postgresql").Clone()
	for _, key := range []string{
		"use_pg_rewind", "remove_data_directory_on_rewind_failure", "remove_data_directory_on_diverged_timelines",
	} {
		if v := l.postgresql.Get(key); v != nil {
			pg.Set(key, v)
		}
	}
	o.Set("postgresql", pg)
	return cluster.ParseSettings(o)
}

// merger holds the two postgresql sections while they are merged.
type merger struct {
	local, dynamic *cluster.Object
	merged         *cluster.Object
	warnings       []string
}

func (m *merger) warnf(format string, args ...any) {
	m.warnings = append(m.warnings, fmt.Sprintf(format, args...))
}

// sections merges whole keys: a local one replaces the dynamic one. The
// parameters, which merge one by one, are left out.
func (m *merger) sections() *cluster.Object {
	out := &cluster.Object{}
	for k, v := range m.dynamic.All() {
		if v != nil && k != "parameters" && !strings.Contains(localOnly, " "+k+" ") {
			out.Set(k, v)
		}
	}
	for k, v := range m.local.All() {
		if v != nil && k != "parameters" && k != "use_slots" {
			out.Set(k, v)
		}
	}
	return out
}

func (m *merger) text(key string) string {
	v := m.merged.Get(key)
	if v == nil || !isScalar(v) {
		return ""
	}
	return cluster.Text(v)
}

func (m *merger) boolean(key string) bool {
	v := m.merged.Get(key)
	if v == nil {
		return false
	}
	b, ok := cluster.ParseBool(v)
	if !ok {
		m.warnf("postgresql.%s: %s; false is used", key, is(boolean).allowed())
	}
	return b
}

func (m *merger) pgCtlTimeout() time.Duration {
	v := m.merged.Get("pg_ctl_timeout")
	if v == nil {
		return defaultPgCtlTimeout
	}
	d, err := cluster.ParseSeconds(v)
	if err != nil || d <= 0 {
		m.warnf("postgresql.pg_ctl_timeout: must be a positive number of seconds; %v is used", defaultPgCtlTimeout)
		return defaultPgCtlTimeout
	}
	return d
}

// addresses fills in where PostgreSQL listens and how others reach it. Load
// has refused what cannot be parsed.
func (m *merger) addresses(p *Postgres) {
	hosts, port, err := splitAddress(m.text("listen"), defaultPostgresPort)
	if err != nil {
		m.warnf("postgresql.listen: %v", err)
	}
	var list []string
	for h := range strings.SplitSeq(hosts, ",") {
		list = append(list, unbracket(h))
	}
	p.ListenAddresses, p.Port = strings.Join(list, ","), port
	if p.ListenAddresses == "" {
		p.ListenAddresses = "*"
	}
	p.ConnectHost, p.ConnectPort = list[0], port
	if isWildcard(p.ConnectHost) {
		p.ConnectHost = "localhost"
	}
	connect := m.text("connect_address")
	if connect == "" {
		return
	}
	host, port, err := splitAddress(connect, p.Port)
	if err != nil {
		m.warnf("postgresql.connect_address: %v", err)
		return
	}
	p.ConnectHost, p.ConnectPort = unbracket(host), port
}

// accessFiles takes over the whole content of pg_hba.conf and pg_ident.conf,
// unless a parameter says that the file is elsewhere.
func (m *merger) accessFiles(p *Postgres) {
	for _, f := range []struct {
		key, parameter, name string
		dst                  *[]string
	}{
		{"pg_hba", "hba_file", "pg_hba.conf", &p.PgHba},
		{"pg_ident", "ident_file", "pg_ident.conf", &p.PgIdent},
	} {
		lines := textItems(m.merged.Get(f.key))
		if len(lines) == 0 {
			continue
		}
		if moved := parameter(p.Parameters, f.parameter); moved != "" && moved != filepath.Join(p.ConfigDir, f.name) {
			m.warnf("postgresql.%s: ignored, because the parameter %s points at another file", f.key, f.parameter)
			continue
		}
		*f.dst = lines
	}
}

func parameter(list []Parameter, name string) string {
	for _, p := range list {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// credentials reads one entry of authentication. A password of null is a
// password that is set, and empty.
func credentials(o *cluster.Object) Credentials {
	c := Credentials{HasPassword: o.Has("password")}
	for k, v := range o.All() {
		switch {
		case v == nil || !isScalar(v):
		case k == "username":
			c.Username = cluster.Text(v)
		case k == "password":
			c.Password = cluster.Text(v)
		case strings.Contains(" "+authWords+" ", " "+k+" "):
			if c.SSL == nil {
				c.SSL = map[string]string{}
			}
			c.SSL[k] = cluster.Text(v)
		}
	}
	return c
}

// textValues returns the scalar values of o by key; nil if there are none.
func textValues(o *cluster.Object) map[string]string {
	var out map[string]string
	for k, v := range o.All() {
		if v == nil || !isScalar(v) {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[k] = cluster.Text(v)
	}
	return out
}

// withOldLayout returns the section with the users of the layout before
// Patroni 1.0 moved to where they are today, if there is no authentication.
func withOldLayout(o *cluster.Object) *cluster.Object {
	if o.Object("authentication") != nil || !o.Has("replication") && !o.Has("superuser") {
		return o
	}
	o = o.Clone()
	auth := &cluster.Object{}
	for _, role := range []string{"replication", "superuser"} {
		if sub := o.Object(role); sub != nil {
			auth.Set(role, sub)
		}
	}
	if rewind := o.Object("pg_rewind"); rewind != nil {
		o.Set("use_pg_rewind", true)
		if !auth.Has("superuser") {
			auth.Set("superuser", rewind)
		}
	}
	o.Set("authentication", auth)
	return o
}
