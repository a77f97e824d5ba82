package emit

import (
	"fmt"
	"regexp"
	"strings"
)

// What a plain text would be read as, in YAML 1.1, if it were not quoted.
var other = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF`,
	`[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?`,
	`\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?`,
	`[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*`,
	`[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)`,
	`[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+`,
	`<<|~|null|Null|NULL|=|`,
	`[0-9]{4}-[0-9]{2}-[0-9]{2}`,
	`[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt]|[ \t]+)[0-9][0-9]?:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9]{2})?))?`,
}, "|") + `)$`)

// form is how a text may be written.
type form struct{ plain, single bool }

// formOf applies the rules of YAML's chapter 7.3 to s.
func formOf(s string, flow bool) form {
	f := form{plain: !other.MatchString(s), single: true}
	runes := []rune(s)
	if strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") {
		f.plain = false
	}
	blank := func(i int) bool {
		return i < 0 || i >= len(runes) || strings.ContainsRune("\x00 \t\r\n\u0085\u2028\u2029", runes[i])
	}
	for i, r := range runes {
		switch {
		case i == 0 && strings.ContainsRune("#,[]{}&*!|>'\"%@`", r),
			i == 0 && r == '-' && blank(1),
			flow && strings.ContainsRune(",?[]{}:", r),
			i == 0 && r == '?' && blank(1),
			r == ':' && blank(i+1),
			i > 0 && r == '#' && blank(i-1),
			isBreak(r):
			f.plain = false
		}
		switch {
		case !printable(r),
			r == ' ' && i+1 < len(runes) && isBreak(runes[i+1]):
			return form{}
		case isBreak(r) && i+1 < len(runes) && runes[i+1] == ' ':
			f.single = false
		}
	}
	if n := len(runes); n > 0 && (runes[0] == ' ' || runes[n-1] == ' ') {
		f.plain = false
	}
	return f
}

func isBreak(r rune) bool { return strings.ContainsRune("\n\u0085\u2028\u2029", r) }

func printable(r rune) bool {
	return r == '\n' || r >= ' ' && r <= '~' || r == 0x85 ||
		r != 0xFEFF && (r >= 0xA0 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r < 0x10FFFF)
}

// text writes s in the simplest form that reads back as the same text.
func (w *writer) text(s string, indent int, flow bool) {
	switch f := formOf(s, flow); {
	case f.plain:
		w.folded(s, indent, false)
	case f.single && !(w.noFold && strings.ContainsFunc(s, isBreak)):
		w.put("'")
		w.folded(strings.ReplaceAll(s, "'", "''"), indent, true)
		w.put("'")
	default:
		w.doubled(s, indent)
	}
}

// folded writes words, with a line break in the place of a single blank once
// the line is full. A line break of the text is doubled, as YAML wants it.
func (w *writer) folded(s string, indent int, quoted bool) {
	runes := []rune(s)
	for i := 0; i < len(runes); {
		from := i
		switch r := runes[i]; {
		case r == ' ':
			for i < len(runes) && runes[i] == ' ' {
				i++
			}
			edge := quoted && (from == 0 || i == len(runes))
			if i-from == 1 && w.column > Width && !w.noFold && !edge {
				w.newline(indent)
				continue
			}
		case isBreak(r):
			for i < len(runes) && isBreak(runes[i]) {
				i++
			}
			if r == '\n' {
				w.put("\n")
			}
			w.put(string(runes[from:i]) + strings.Repeat(" ", indent))
			continue
		default:
			for i < len(runes) && runes[i] != ' ' && !isBreak(runes[i]) {
				i++
			}
		}
		w.put(string(runes[from:i]))
	}
}

// Escapes of YAML's chapter 5.7 that have a letter.
const (
	escaped = "\x00\a\b\t\n\v\f\r\x1b\"\\\u0085\u00a0\u2028\u2029"
	letters = `0abtnvfre"\N_LP`
)

// doubled writes s in double quotes, folded like [writer.folded] where a blank
// begins a line that has become full.
func (w *writer) doubled(s string, indent int) {
	w.put(`"`)
	names, runes := []rune(escaped), []rune(s)
	from := 0 // the first rune that is not yet written
	flush := func(to int) {
		w.put(string(runes[from:to]))
		from = to
	}
	for i := 0; i <= len(runes); i++ {
		if i == len(runes) || !printable(runes[i]) || strings.ContainsRune("\"\\\n\u0085\u2028\u2029\ufeff", runes[i]) {
			flush(i)
			if i < len(runes) {
				w.put(escape(runes[i], names))
				from = i + 1
			}
		}
		if i > 0 && i < len(runes)-1 && (runes[i] == ' ' || from >= i) && w.column+(i-from) > Width && !w.noFold {
			if from < i {
				w.put(string(runes[from:i]) + `\`)
				from = i
			} else {
				w.put(`\`)
			}
			w.newline(indent)
			if from < len(runes) && runes[from] == ' ' {
				w.put(`\`)
			}
		}
	}
	w.put(`"`)
}

func escape(r rune, names []rune) string {
	for i, n := range names {
		if n == r {
			return `\` + letters[i:i+1]
		}
	}
	switch {
	case r <= 0xFF:
		return fmt.Sprintf(`\x%02X`, r)
	case r <= 0xFFFF:
		return fmt.Sprintf(`\u%04X`, r)
	}
	return fmt.Sprintf(`\U%08X`, r)
}
