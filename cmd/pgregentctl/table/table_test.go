package table

import "testing"

func TestRender(t *testing.T) {
	columns := []Column{{"Member", false}, {"TL", true}}
	for name, c := range map[string]struct {
		title string
		rows  [][]string
		want  string
	}{
		"no rows": {" Cluster: nope ", nil, "+ Cluster: nope +\n| Member | TL |\n+--------+----+\n+--------+----+\n"},
		"short title": {" x ", [][]string{{"a", "4"}, {"日本", "12"}}, `+ x -----+----+
| Member | TL |
+--------+----+
| a      |  4 |
| 日本   | 12 |
+--------+----+
`},
		"a cell of two lines": {"", [][]string{{"a\nlonger one", "4"}, {"b", ""}}, `+------------+----+
| Member     | TL |
+------------+----+
| a          |  4 |
| longer one |    |
+------------+----+
| b          |    |
+------------+----+
`},
	} {
		if got := Render(c.title, columns, c.rows); got != c.want {
			t.Errorf("%s: got\n%swant\n%s", name, got, c.want)
		}
	}
}
