package show

import (
	"strings"

	"github.com/pgregent/pgregent/cmd/pgregentctl/emit"
	"github.com/pgregent/pgregent/cmd/pgregentctl/table"
	"github.com/pgregent/pgregent/core/cluster"
)

// Format is how a table is written.
type Format string

// The formats. Topology is a drawn table in which members hang below the one
// that they replicate from.
const (
	Pretty   Format = "pretty"
	TSV      Format = "tsv"
	JSON     Format = "json"
	YAML     Format = "yaml"
	YML      Format = "yml"
	Topology Format = "topology"
)

// Formats are the words that -f takes.
func Formats() []string {
	return []string{string(Pretty), string(TSV), string(JSON), string(YAML), string(YML)}
}

// Members returns the member table of a cluster, with the facts about the
// whole cluster below it in the drawn forms.
func Members(c *cluster.Cluster, scope string, f Format, o Options) string {
	m := rowsOf(c, scope, o)
	switch f {
	case Pretty, Topology:
		if f == Topology {
			m.rows = arrange(c, m.rows)
		}
		return drawn(c, m, scope, f, o) + footer(c)
	default:
		return written(m.rows, m.columns, f)
	}
}

// written is one of the forms for programs.
func written(rows []*cluster.Object, columns []string, f Format) string {
	switch f {
	case TSV:
		lines := []string{strings.Join(columns, "\t")}
		for _, row := range rows {
			texts := make([]string, len(columns))
			for i, title := range columns {
				texts[i] = cell(row.Get(title))
			}
			lines = append(lines, strings.Join(texts, "\t"))
		}
		return strings.Join(lines, "\n") + "\n"
	case JSON:
		return emit.JSON(plain(rows, columns)) + "\n"
	}
	return emit.YAML(plain(rows, columns)) + "\n"
}

// hidden are not shown in the drawn forms: the title has them.
var hidden = map[string]bool{"Cluster": true, "Group": true}

// rightmost are the columns that are aligned to the right.
var rightmost = map[string]bool{
	"Group": true, "TL": true, "LSN": true, "Lag in MB": true, "Receive LSN": true, "Receive Lag": true, "Replay LSN": true, "Replay Lag": true,
}

func drawn(c *cluster.Cluster, m members, scope string, f Format, o Options) string {
	var columns []table.Column
	var titles []string
	for _, title := range m.columns {
		if hidden[title] {
			continue
		}
		short := title
		if strings.HasSuffix(title, " Lag") {
			short = "Lag"
		}
		columns = append(columns, table.Column{Title: short, Right: rightmost[title]})
		titles = append(titles, title)
	}
	var rows [][]string
	for _, row := range m.rows {
		texts := make([]string, len(titles))
		for i, title := range titles {
			v := row.Get(title)
			texts[i] = cell(v)
			if tags, ok := v.(*cluster.Object); ok && f == Pretty {
				texts[i] = strings.TrimSuffix(emit.YAML(tags), "\n")
			}
			if title == pendingReason {
				texts[i] = shortened(texts[i])
			}
		}
		rows = append(rows, texts)
	}
	return table.Render(heading(c, scope, o), columns, rows)
}

// heading is the title in the upper border.
func heading(c *cluster.Cluster, scope string, o Options) string {
	var facts []string
	kind := "Cluster"
	if o.Group != "" {
		kind, facts = "Citus cluster", []string{"group: " + o.Group}
	}
	if !o.Level.Old() {
		id := "uninitialized"
		if c.Initialize != nil {
			id = *c.Initialize
		}
		if id == "" {
			id = "initializing"
		}
		facts = append(facts, id)
	}
	if len(facts) == 0 {
		return " " + kind + ": " + scope + " "
	}
	return " " + kind + ": " + scope + " (" + strings.Join(facts, ", ") + ") "
}

// footer tells what holds for the whole cluster.
func footer(c *cluster.Cluster) string {
	var b strings.Builder
	if settings, _ := cluster.ParseSettings(c.Config.Object); settings.Pause {
		b.WriteString(" Maintenance mode: on\n")
	}
	f := c.Failover
	if f.ScheduledAt.IsZero() {
		return b.String()
	}
	b.WriteString(" Switchover scheduled at: " + isoTime(f.ScheduledAt) + "\n")
	for _, line := range []struct{ label, name string }{{"from", f.Leader}, {"to", f.Candidate}} {
		if line.name != "" {
			b.WriteString(strings.Repeat(" ", 24-len(line.label)) + line.label + ": " + line.name + "\n")
		}
	}
	return b.String()
}

// arrange puts the leader first and everybody below the member that it
// replicates from, indented by its depth.
func arrange(c *cluster.Cluster, rows []*cluster.Object) []*cluster.Object {
	leader := c.LeaderName()
	if c.LeaderMember() == nil {
		leader = ""
	}
	below := map[string][]*cluster.Object{}
	var top []*cluster.Object
	for _, row := range rows {
		name := text(row.Get("Member"))
		parent := c.Member(name).Data.Tags.ReplicateFrom()
		switch {
		case name == leader:
			top = append(top, row)
			continue
		case leader == "", parent == name, c.Member(parent) == nil:
			parent = leader
		}
		below[parent] = append(below[parent], row)
	}
	var out []*cluster.Object
	seen := map[string]bool{}
	var add func(row *cluster.Object, depth int)
	add = func(row *cluster.Object, depth int) {
		name := text(row.Get("Member"))
		if seen[name] {
			return
		}
		seen[name] = true
		if depth > 0 {
			row = row.Clone()
			row.Set("Member", strings.Repeat("  ", depth-1)+"+ "+name)
		}
		out = append(out, row)
		for _, child := range below[name] {
			add(child, depth+1)
		}
	}
	for _, row := range top {
		add(row, 0)
	}
	for _, row := range below[""] {
		add(row, 1)
	}
	for _, row := range rows { // who replicates in a circle hangs below nobody
		add(row, 1)
	}
	return out
}
