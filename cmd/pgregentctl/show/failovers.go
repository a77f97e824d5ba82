package show

import (
	"fmt"
	"time"

	"github.com/pgregent/pgregent/cmd/pgregentctl/emit"
	"github.com/pgregent/pgregent/cmd/pgregentctl/table"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/record"
)

// shortID is as much of an identifier as a table shows; commands take any
// beginning that is unique.
const shortID = 12

// Failovers returns the list of recorded incidents, as they come. The drawn
// form shortens identifiers, the others do not.
func Failovers(stories []record.Story, scope string, f Format) string {
	titles := []string{"ID", "Begin", "Kind", "Cause", "Old Leader", "New Leader", "Seconds", "Longest Phase"}
	drawn := f == Pretty || f == Topology
	rows := make([]*cluster.Object, 0, len(stories))
	for _, s := range stories {
		id := s.ID.String()
		if drawn {
			id = id[:shortID]
		}
		o := &cluster.Object{}
		for i, v := range []any{id, s.Begin.UTC().Format("2006-01-02 15:04:05"), string(s.Kind), causeOf(s), s.Old, s.New, fmt.Sprintf("%.3f", s.Seconds), s.Longest} {
			o.Set(titles[i], v)
		}
		rows = append(rows, o)
	}
	switch f {
	case JSON:
		return emit.JSON(plain(rows, titles)) + "\n"
	case YAML, YML, TSV:
		return written(rows, titles, f)
	}
	columns := make([]table.Column, len(titles))
	for i, title := range titles {
		columns[i] = table.Column{Title: title, Right: title == "Seconds"}
	}
	var cells [][]string
	for _, row := range rows {
		texts := make([]string, len(titles))
		for i, title := range titles {
			texts[i] = cell(row.Get(title))
		}
		cells = append(cells, texts)
	}
	return table.Render(" Failovers of "+scope+" ", columns, cells)
}

// causeOf is the cause of an incident, with a mark if nobody was there.
func causeOf(s record.Story) string {
	switch {
	case s.Cause == "":
		return "unknown"
	case s.Guess:
		return string(s.Cause) + " (guess)"
	}
	return string(s.Cause)
}

// seconds writes a duration to the millisecond.
func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }
