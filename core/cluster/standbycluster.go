package cluster

import (
	"reflect"
	"strconv"
	"strings"
)

// StandbyCluster is the standby_cluster section of the dynamic configuration:
// the whole cluster follows a server outside, and nobody in it is primary.
type StandbyCluster struct {
	// Host and Port are as configured, lists with commas for several servers
	// of which one is a primary. Host is "" for a cluster that only restores
	// from an archive. A single port counts for all hosts; "" is 5432.
	Host string
	Port string
	// SlotName is the replication slot on that server that the leader streams
	// through, "" for none.
	SlotName string
	// RestoreCommand and ArchiveCleanupCommand count on all members,
	// RecoveryMinApplyDelay on the leader. "" leaves what is set elsewhere.
	RestoreCommand        string
	ArchiveCleanupCommand string
	RecoveryMinApplyDelay string
	// CreateReplicaMethods are how the first member is copied.
	CreateReplicaMethods []string
}

// IsStandbyCluster reports that the section is in force: host, port or
// restore_command has a value.
func IsStandbyCluster(config *Object) bool {
	o := config.Object("standby_cluster")
	return Truthy(o.Get("host")) || Truthy(o.Get("port")) || Truthy(o.Get("restore_command"))
}

// ParseStandbyCluster reads the section; nil if it is not in force.
func ParseStandbyCluster(config *Object) *StandbyCluster {
	if !IsStandbyCluster(config) {
		return nil
	}
	o := config.Object("standby_cluster")
	text := func(key string) string {
		if v := o.Get(key); Truthy(v) {
			return strings.TrimSpace(Text(v))
		}
		return ""
	}
	s := StandbyCluster{
		Host: listed(o.Get("host")), Port: listed(o.Get("port")), RestoreCommand: text("restore_command"),
		ArchiveCleanupCommand: text("archive_cleanup_command"), RecoveryMinApplyDelay: text("recovery_min_apply_delay"),
	}
	if name := text("primary_slot_name"); name != "" {
		s.SlotName = SlotName(name)
	}
	for m := range strings.SplitSeq(listed(o.Get("create_replica_methods")), ",") {
		if m != "" {
			s.CreateReplicaMethods = append(s.CreateReplicaMethods, m)
		}
	}
	if s.Host == "" && s.Port != "" {
		s.Host = "localhost" // what libpq's programs would use without a socket
	}
	return &s
}

// listed is the text of a value, of a list its items with commas between.
func listed(v any) string {
	items, isList := v.([]any)
	if !isList {
		if !Truthy(v) {
			return ""
		}
		items = []any{v}
	}
	var out []string
	for _, item := range items {
		for part := range strings.SplitSeq(Text(item), ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return strings.Join(out, ",")
}

// Upstream is the remote server as something to follow.
func (s *StandbyCluster) Upstream() *Upstream {
	up := &Upstream{Host: s.Host, Port: defaultPort, Remote: s}
	first, _, _ := strings.Cut(s.Port, ",")
	if n, err := strconv.Atoi(first); err == nil {
		up.Port = n
	}
	return up
}

const defaultPort = 5432

// Streams reports that there is a server to connect to, not an archive only.
func (u Upstream) Streams() bool { return u.Host != "" }

// Ports is the port, or one port for each of a remote's hosts, as text.
func (u Upstream) Ports() string {
	if u.Remote != nil && strings.Contains(u.Remote.Port, ",") {
		return u.Remote.Port
	}
	return strconv.Itoa(u.Port)
}

// Several reports a remote of several hosts, of which one is the primary.
func (u Upstream) Several() bool { return strings.Contains(u.Host, ",") }

// Addresses are the hosts of an upstream with their ports.
func (u Upstream) Addresses() []Upstream {
	hosts, ports := strings.Split(u.Host, ","), strings.Split(u.Ports(), ",")
	out := make([]Upstream, 0, len(hosts))
	for i, h := range hosts {
		port := u.Port
		if n, err := strconv.Atoi(ports[min(i, len(ports)-1)]); err == nil {
			port = n
		}
		out = append(out, Upstream{Name: u.Name, Host: h, Port: port})
	}
	return out
}

// Same reports that following b needs the same settings as following u; nil
// is nobody.
func (u *Upstream) Same(b *Upstream) bool {
	if u == nil || b == nil {
		return u == b
	}
	return u.Host == b.Host && u.Port == b.Port && reflect.DeepEqual(u.Remote, b.Remote)
}
