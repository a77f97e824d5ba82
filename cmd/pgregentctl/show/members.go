package show

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/pgregent/pgregent/cmd/pgregentctl/emit"
	"github.com/pgregent/pgregent/core/cluster"
)

// unknown stands for a position that nobody told.
const unknown = "unknown"

// Options shape the member table.
type Options struct {
	Level Level
	// Extended shows the columns that are left out while they are empty.
	Extended bool
	// Group is the Citus group that the cluster is, "" for none.
	Group string
}

// members are the rows of one cluster; values by column title, "" where there
// is nothing to tell.
type members struct {
	columns []string
	rows    []*cluster.Object
}

// The columns that are shown only where some member has a value.
const (
	pendingRestart   = "Pending restart"
	pendingReason    = "Pending restart reason"
	scheduledRestart = "Scheduled restart"
	tags             = "Tags"
)

func rowsOf(c *cluster.Cluster, scope string, o Options) members {
	m := members{columns: []string{"Cluster"}}
	if o.Group != "" {
		m.columns = append(m.columns, "Group")
	}
	m.columns = append(m.columns, "Member", "Host", "Role", "State", "TL")
	if o.Level.Old() {
		m.columns = append(m.columns, "Lag in MB")
	} else {
		m.columns = append(m.columns, "Receive LSN", "Receive Lag", "Replay LSN", "Replay Lag")
	}
	ports := withPorts(c.Members)
	used := map[string]bool{}
	for i := range c.Members {
		row := memberRow(c, &c.Members[i], scope, ports, o)
		m.rows = append(m.rows, row)
		if _, _, ok := c.Members[i].Data.Address(); !ok {
			continue
		}
		for title, v := range row.All() {
			used[title] = used[title] || v != ""
		}
	}
	for _, title := range []string{pendingRestart, pendingReason, scheduledRestart, tags} {
		if title == pendingReason && o.Level.Old() {
			continue
		}
		if o.Extended || used[title] {
			m.columns = append(m.columns, title)
		}
	}
	return m
}

// withPorts tells whether hosts alone do not tell the members apart, or lead
// nobody to them.
func withPorts(list []cluster.Member) bool {
	seen := map[string]bool{}
	for _, m := range list {
		host, port, ok := m.Data.Address()
		if !ok {
			continue
		}
		if port != 5432 || seen[host] {
			return true
		}
		seen[host] = true
	}
	return false
}

func memberRow(c *cluster.Cluster, m *cluster.Member, scope string, ports bool, o Options) *cluster.Object {
	row := &cluster.Object{}
	row.Set("Cluster", scope)
	if o.Group != "" {
		row.Set("Group", o.Group)
	}
	role := RoleOf(c, m.Name, o.Level)
	row.Set("Member", m.Name)
	row.Set("Host", address(m, ports))
	row.Set("Role", title(role))
	row.Set("State", StateOf(role, m.Data, o.Level))
	row.Set("TL", "")
	if m.Data.Timeline > 0 {
		row.Set("TL", int64(m.Data.Timeline))
	}
	setLag(row, c, m, o.Level)
	row.Set(pendingRestart, "")
	row.Set(pendingReason, "")
	if m.Data.PendingRestart {
		row.Set(pendingRestart, "*")
		row.Set(pendingReason, reasons(m.Data.PendingRestartReason))
	}
	row.Set(scheduledRestart, schedule(m.Data.ScheduledRestart))
	row.Set(tags, "")
	if m.Data.Tags.Len() > 0 {
		row.Set(tags, m.Data.Tags.Object())
	}
	return row
}

func address(m *cluster.Member, ports bool) string {
	host, port, ok := m.Data.Address()
	switch {
	case !ok:
		return ""
	case !ports:
		return host
	case strings.Contains(host, ":"):
		return fmt.Sprintf("[%s]:%d", host, port)
	}
	return fmt.Sprintf("%s:%d", host, port)
}

// RoleOf is leader, standby_leader, sync_standby, quorum_standby or replica.
// It follows from the leader and sync keys alone.
func RoleOf(c *cluster.Cluster, name string, level Level) string {
	standby := cluster.ParseStandbyCluster(c.Config.Object) != nil
	settings, _ := cluster.ParseSettings(c.Config.Object)
	switch {
	case name == c.LeaderName() && standby:
		return string(cluster.RoleStandbyLeader)
	case name == c.LeaderName():
		return "leader"
	case !c.Sync.HasStandby(name):
		return string(cluster.RoleReplica)
	case level.Old():
		return "sync_standby"
	case standby || !settings.Synchronous():
		return string(cluster.RoleReplica)
	case settings.Quorum():
		return "quorum_standby"
	}
	return "sync_standby"
}

// StateOf is what a member's PostgreSQL does, or how it replicates.
func StateOf(role string, d cluster.MemberData, level Level) string {
	if role != "leader" && d.ReplicationState != "" && level > Level30 {
		return d.ReplicationState
	}
	return string(d.State)
}

// title writes sync_standby as Sync Standby.
func title(role string) string {
	words := strings.Split(role, "_")
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, " ")
}

func setLag(row *cluster.Object, c *cluster.Cluster, m *cluster.Member, level Level) {
	d := m.Data
	type column struct {
		lag, lsn string
		at       cluster.LSN
	}
	list := []column{{"Lag in MB", "", d.XLogLocation}}
	if !level.Old() {
		if d.ReceiveLSN == 0 && d.ReplayLSN == 0 { // of a release that tells one position
			if d.ReplicationState == "streaming" {
				d.ReceiveLSN = d.XLogLocation
			} else {
				d.ReplayLSN = d.XLogLocation
			}
		}
		list = []column{{"Receive Lag", "Receive LSN", d.ReceiveLSN}, {"Replay Lag", "Replay LSN", d.ReplayLSN}}
	}
	for _, k := range list {
		row.Set(k.lag, "")
		if k.lsn != "" {
			row.Set(k.lsn, "")
		}
		switch {
		case m.Name == c.LeaderName():
		case k.at == 0 && k.lsn == "":
			row.Set(k.lag, unknown)
		case k.at == 0:
			row.Set(k.lsn, unknown)
		default:
			if k.lsn != "" {
				row.Set(k.lsn, k.at.String())
			}
			row.Set(k.lag, megabytes(Behind(c, k.at)))
		}
	}
}

// Behind is how many bytes the leader has told of that a member at this
// position lacks.
func Behind(c *cluster.Cluster, at cluster.LSN) int64 {
	return int64(max(c.Status.Optime, at) - at)
}

func megabytes(bytes int64) int64 {
	return int64(math.RoundToEven(float64(bytes) / (1 << 20)))
}

// reasons lists the settings that wait for a restart, one a line.
func reasons(o *cluster.Object) string {
	var lines []string
	for name, v := range o.All() {
		if change, ok := v.(*cluster.Object); ok {
			lines = append(lines, fmt.Sprintf("%s: %s->%s", name, text(change.Get("old_value")), text(change.Get("new_value"))))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// longest is how many characters of a change are shown in a drawn table.
const longest = 50

// shortened hides changes that would make the table too wide.
func shortened(reasons string) string {
	lines := strings.Split(reasons, "\n")
	for i, l := range lines {
		if name, _, ok := strings.Cut(l, ": "); ok && len([]rune(l)) > longest {
			lines[i] = name + ": [hidden - too long]"
		}
	}
	return strings.Join(lines, "\n")
}

func schedule(o *cluster.Object) string {
	at := text(o.Get("schedule"))
	if version := text(o.Get("postgres_version")); version != "" && at != "" {
		at += " if version < " + version
	}
	return at
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return cluster.Text(v)
}

// cell is a value as text; objects on one line.
func cell(v any) string {
	if o, ok := v.(*cluster.Object); ok {
		return emit.Flow(o)
	}
	return text(v)
}

// plain leaves empty values out, as the JSON and YAML forms do.
func plain(rows []*cluster.Object, columns []string) []any {
	list := make([]any, 0, len(rows))
	for _, row := range rows {
		o := &cluster.Object{}
		for _, title := range columns {
			if v := row.Get(title); v != "" {
				o.Set(title, v)
			}
		}
		list = append(list, o)
	}
	return list
}
