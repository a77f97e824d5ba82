package table

import (
	"strings"
	"unicode"
)

// Column is one column of a table.
type Column struct {
	Title string
	// Right aligns its cells, and its title, to the right.
	Right bool
}

// Render draws the table; it ends with a line break. A cell may have several
// lines: all rows are then kept apart by rules. The title covers the upper
// border from its second character on.
func Render(title string, columns []Column, rows [][]string) string {
	widths, tall := measure(columns, rows)
	rule := "+"
	for _, w := range widths {
		rule += strings.Repeat("-", w+2) + "+"
	}
	var b strings.Builder
	b.WriteString(border(rule, title) + "\n")
	titles := make([]string, len(columns))
	for i, c := range columns {
		titles[i] = c.Title
	}
	line(&b, columns, widths, titles)
	b.WriteString(rule + "\n")
	for i, row := range rows {
		if i > 0 && tall {
			b.WriteString(rule + "\n")
		}
		cells(&b, columns, widths, row)
	}
	b.WriteString(rule + "\n")
	return b.String()
}

// measure returns the widths of the columns, and whether a cell has several
// lines.
func measure(columns []Column, rows [][]string) (widths []int, tall bool) {
	widths = make([]int, len(columns))
	for i, c := range columns {
		widths[i] = Width(c.Title)
	}
	for _, row := range rows {
		for i, cell := range row {
			for text := range strings.SplitSeq(cell, "\n") {
				widths[i] = max(widths[i], Width(text))
			}
			tall = tall || strings.Contains(cell, "\n")
		}
	}
	return widths, tall
}

// border puts the title over the rule.
func border(rule, title string) string {
	covered := 1 + Width(title)
	switch {
	case title == "":
		return rule
	case covered >= len(rule):
		return "+" + title + "+"
	}
	return "+" + title + rule[covered:]
}

// cells draws one row, of as many lines as its tallest cell.
func cells(b *strings.Builder, columns []Column, widths []int, row []string) {
	parts := make([][]string, len(row))
	height := 0
	for i, cell := range row {
		parts[i] = strings.Split(cell, "\n")
		height = max(height, len(parts[i]))
	}
	for n := range height {
		texts := make([]string, len(columns))
		for i, p := range parts {
			if n < len(p) {
				texts[i] = p[n]
			}
		}
		line(b, columns, widths, texts)
	}
}

func line(b *strings.Builder, columns []Column, widths []int, texts []string) {
	b.WriteByte('|')
	for i, c := range columns {
		fill := strings.Repeat(" ", max(widths[i]-Width(texts[i]), 0))
		if c.Right {
			b.WriteString(" " + fill + texts[i] + " |")
		} else {
			b.WriteString(" " + texts[i] + fill + " |")
		}
	}
	b.WriteByte('\n')
}

// Width is how many cells of a terminal s takes: East Asian letters take two,
// combining marks none.
func Width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case r < 0x300:
			n++
		case unicode.Is(unicode.Mn, r):
		case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana):
			n += 2
		default:
			n++
		}
	}
	return n
}
