package config

import (
	"slices"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// BaseBackupMethod is the replica method that is there without configuration.
const BaseBackupMethod = "basebackup"

// Actions are the events that callbacks may be configured for.
var Actions = []string{"on_start", "on_stop", "on_restart", "on_reload", "on_role_change"}

// Site is what the site has configured to be run.
type Site struct {
	// Callbacks are command lines by action.
	Callbacks map[string]string
	// PrePromote and BeforeStop are command lines, "" for none.
	PrePromote, BeforeStop string
	// Methods are how a replica is made, in the order in which they are tried.
	// There is at least one.
	Methods []Method
	// Known are all methods that have a section, by name: a standby cluster
	// has a list of its own.
	Known map[string]Method
}

// Method is one way to make a data directory.
type Method struct {
	Name string
	// Command is a command line; "" for pg_basebackup, or for a plugin of that
	// name.
	Command string
	// KeepData leaves what is in the directory to the method, and there after
	// a failure. NoLeader means that it needs no running server. NoParams
	// leaves out the arguments that the agent adds.
	KeepData, NoLeader, NoParams bool
	// Options are all keys but command, in the order of the configuration.
	Options []Option
	// KeepRecovery leaves recovery settings that the method made; Recovery
	// are others, which replace them. Only of a bootstrap method.
	KeepRecovery bool
	Recovery     []Parameter
}

// own are keys of a method that mean something to the agent and are passed on
// to a command all the same, unless it wants no parameters.
var own = []string{"no_params", "no_leader", "keep_data"}

// Passed are the options that a command gets as arguments.
func (m Method) Passed() []Option {
	if !m.NoParams {
		return m.Options
	}
	return slices.DeleteFunc(slices.Clone(m.Options), func(o Option) bool { return slices.Contains(own, o.Key) })
}

// site reads what is to be run from the merged postgresql section.
func (m *merger) site() Site {
	s := Site{PrePromote: m.text("pre_promote"), BeforeStop: m.text("before_stop")}
	if o := m.merged.Object("callbacks"); o != nil {
		s.Callbacks = textValues(o)
		for name := range s.Callbacks {
			if !slices.Contains(Actions, name) {
				m.warnf("postgresql.callbacks.%s: there is no such callback; there are %s", name, strings.Join(Actions, ", "))
			}
		}
	}
	for name, v := range m.merged.All() {
		if o, ok := v.(*cluster.Object); ok && o.Has("command") {
			if s.Known == nil {
				s.Known = map[string]Method{}
			}
			s.Known[name] = method(name, o)
		}
	}
	names := textItems(m.merged.Get("create_replica_methods"))
	if len(names) == 0 {
		names = textItems(m.merged.Get("create_replica_method"))
	}
	if len(names) == 0 {
		names = []string{BaseBackupMethod}
	}
	for _, name := range names {
		s.Methods = append(s.Methods, s.Method(name))
		if o := m.merged.Object(name); o != nil && name != BaseBackupMethod {
			s.Methods[len(s.Methods)-1] = method(name, o)
		}
	}
	return s
}

// Method is the method of that name, with or without a section.
func (s Site) Method(name string) Method {
	if known, ok := s.Known[name]; ok {
		return known
	}
	for _, m := range s.Methods {
		if m.Name == name {
			return m
		}
	}
	return Method{Name: name}
}

// method reads the section of one method.
func method(name string, o *cluster.Object) Method {
	flag := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return cluster.Truthy(o.Get(k)) })
	}
	m := Method{
		Name: name, KeepData: flag("keep_data"), NoLeader: flag("no_leader", "no_master"), NoParams: flag("no_params"),
	}
	if v := o.Get("command"); isScalar(v) {
		m.Command = cluster.Text(v)
	}
	for k, v := range o.All() {
		if k != "command" {
			m.Options = append(m.Options, Option{Key: k, Value: cluster.Text(v), HasValue: true})
		}
	}
	return m
}

// notPassed are keys of a bootstrap method that its command does not get.
var notPassed = []string{"no_params", "keep_existing_recovery_conf", "recovery_conf", "scope", "datadir"}

// bootstrapMethod reads bootstrap.<method>; nil for initdb.
func (d *document) bootstrapMethod(o *cluster.Object) *Method {
	name := d.text("bootstrap.method")
	if name == "" || name == "initdb" {
		return nil
	}
	section := o.Object(name)
	if section == nil && !d.hasPlugin(name) {
		d.report(Warning, "bootstrap.method", name, "there is no section bootstrap.%s with a command, nor a plugin of that name; initdb is used", name)
		return nil
	}
	m := method(name, section)
	if m.Command == "" && !d.hasPlugin(name) {
		d.report(Warning, "bootstrap."+name, nil, "has no command; initdb is used")
		return nil
	}
	m.KeepRecovery = cluster.Truthy(section.Get("keep_existing_recovery_conf"))
	for k, v := range section.Object("recovery_conf").All() {
		m.Recovery = append(m.Recovery, Parameter{Name: k, Value: cluster.Text(v)})
	}
	m.Options = slices.DeleteFunc(m.Options, func(o Option) bool { return slices.Contains(notPassed, o.Key) })
	return &m
}
