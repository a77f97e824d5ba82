package show

import (
	"time"

	"github.com/pgregent/pgregent/cmd/pgregentctl/emit"
	"github.com/pgregent/pgregent/cmd/pgregentctl/table"
	"github.com/pgregent/pgregent/core/cluster"
)

// isoTime is ISO 8601 with a numeric offset.
func isoTime(t time.Time) string {
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02T15:04:05-07:00")
	}
	return t.Format("2006-01-02T15:04:05.000000-07:00")
}

// History returns the ends of all timelines but the present one.
func History(h cluster.History, f Format) string {
	titles := []string{"TL", "LSN", "Reason", "Timestamp", "New Leader"}
	var rows []*cluster.Object
	for _, e := range h {
		o := &cluster.Object{}
		for i, v := range []any{int64(e.Timeline), int64(e.LSN), e.Reason, e.At, e.NewLeader} {
			o.Set(titles[i], v)
		}
		rows = append(rows, o)
	}
	switch f {
	case Pretty, Topology:
	case JSON, YAML, YML:
		list := make([]any, len(rows))
		for i, row := range rows { // empty values stay
			list[i] = row
		}
		if f == JSON {
			return emit.JSON(list) + "\n"
		}
		return emit.YAML(list) + "\n"
	default:
		return written(rows, titles, f)
	}
	columns := make([]table.Column, len(titles))
	for i, title := range titles {
		columns[i] = table.Column{Title: title, Right: rightmost[title]}
	}
	var cells [][]string
	for _, row := range rows {
		texts := make([]string, len(titles))
		for i, title := range titles {
			texts[i] = cell(row.Get(title))
		}
		cells = append(cells, texts)
	}
	return table.Render("", columns, cells)
}
