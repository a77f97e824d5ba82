package command

import (
	"encoding/json"
	"strconv"

	"github.com/pgregent/pgregent/cmd/pgregentctl/emit"
	"github.com/pgregent/pgregent/cmd/pgregentctl/show"
	"github.com/pgregent/pgregent/cmd/pgregentctl/table"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/postgres"
)

// formatted writes an answer of PostgreSQL as a drawn table, JSON or YAML.
func formatted(answer postgres.Answer, format string) string {
	if answer.Columns == nil && len(answer.Rows) > 0 {
		answer.Columns = []string{"Time", "Error"}
	}
	if f := show.Format(format); f == show.Pretty || f == show.Topology {
		return drawnAnswer(answer)
	}
	list := make([]any, 0, len(answer.Rows))
	for _, row := range answer.Rows {
		o := &cluster.Object{}
		for i, title := range answer.Columns {
			o.Set(title, jsonValue(row[i]))
		}
		list = append(list, o)
	}
	if show.Format(format) == show.JSON {
		return emit.JSON(list) + "\n"
	}
	return emit.YAML(list) + "\n"
}

// jsonValue keeps numbers and switches; all else is text.
func jsonValue(v any) any {
	switch v := v.(type) {
	case nil, bool, string:
		return v
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case float64:
		return json.Number(value(v))
	}
	return value(v)
}

func drawnAnswer(answer postgres.Answer) string {
	columns := make([]table.Column, len(answer.Columns))
	for i, title := range answer.Columns {
		columns[i].Title = title
	}
	var rows [][]string
	for _, row := range answer.Rows {
		texts := make([]string, len(row))
		for i, v := range row {
			texts[i] = value(v)
		}
		rows = append(rows, texts)
	}
	return table.Render("", columns, rows)
}
