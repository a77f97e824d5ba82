package command

import (
	"fmt"
	"strings"
)

// context is how many lines around a change are shown.
const contextLines = 3

// edit is one line of a comparison: kept ' ', removed '-' or added '+'.
type edit struct {
	kind byte
	text string
}

// unified compares two texts as "diff -u" does, with empty file names.
func unified(old, text string) string {
	edits := compare(strings.Split(strings.TrimSuffix(old, "\n"), "\n"), strings.Split(strings.TrimSuffix(text, "\n"), "\n"))
	var b strings.Builder
	b.WriteString("--- \n+++ \n")
	for _, h := range hunks(edits) {
		oldAt, newAt, oldLen, newLen := 1, 1, 0, 0
		for i, e := range edits[:h[1]] {
			if i < h[0] {
				oldAt += kept(e, '+')
				newAt += kept(e, '-')
			} else {
				oldLen += kept(e, '+')
				newLen += kept(e, '-')
			}
		}
		fmt.Fprintf(&b, "@@ -%s +%s @@\n", span(oldAt, oldLen), span(newAt, newLen))
		for _, e := range edits[h[0]:h[1]] {
			fmt.Fprintf(&b, "%c%s\n", e.kind, e.text)
		}
	}
	return b.String()
}

// kept is 1 unless the line is only on the other side.
func kept(e edit, other byte) int {
	if e.kind == other {
		return 0
	}
	return 1
}

func span(at, length int) string {
	switch length {
	case 1:
		return fmt.Sprint(at)
	case 0:
		at--
	}
	return fmt.Sprintf("%d,%d", at, length)
}

// hunks are the ranges of edits that are shown.
func hunks(edits []edit) [][2]int {
	var list [][2]int
	for i, e := range edits {
		if e.kind == ' ' {
			continue
		}
		from, to := max(i-contextLines, 0), min(i+contextLines+1, len(edits))
		if n := len(list); n > 0 && from <= list[n-1][1] {
			list[n-1][1] = to
		} else {
			list = append(list, [2]int{from, to})
		}
	}
	return list
}

// compare finds a longest common subsequence of lines.
func compare(a, b []string) []edit {
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var out []edit
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, edit{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && length[i+1][j] >= length[i][j+1]:
			out = append(out, edit{'-', a[i]})
			i++
		default:
			out = append(out, edit{'+', b[j]})
			j++
		}
	}
	return out
}
