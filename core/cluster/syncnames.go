package cluster

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// SyncNames is the value of synchronous_standby_names: a commit is confirmed
// once Num of Names have it. The zero value means that nobody has to confirm.
type SyncNames struct {
	// Any lets any Num of the names confirm; else the first Num that stream.
	Any   bool
	Num   int
	Names []string // sorted
}

// NoStandby is a name that no standby has: while it alone is set, commits
// wait. "*" would let any streaming client confirm them.
const NoStandby = "__no_standby__"

// NamesOf is the setting in which num of names confirm; without names, or
// with a num of 0, nobody has to.
func NamesOf(anyOf bool, num int, names []string) SyncNames {
	if len(names) == 0 || num <= 0 {
		return SyncNames{}
	}
	names = slices.Clone(names)
	slices.Sort(names)
	return SyncNames{Any: anyOf, Num: min(num, len(names)), Names: names}
}

// Blocking is the setting under which no commit is confirmed.
func Blocking(anyOf bool) SyncNames { return SyncNames{Any: anyOf, Num: 1, Names: []string{NoStandby}} }

// Has reports, without regard to case, that name is among the names.
func (s SyncNames) Has(name string) bool { return hasFold(s.Names, name) }

// Equal compares two settings; names without regard to order and case.
func (s SyncNames) Equal(o SyncNames) bool {
	if s.Any != o.Any || s.Num != o.Num || len(s.Names) != len(o.Names) {
		return false
	}
	for _, n := range s.Names {
		if !o.Has(n) {
			return false
		}
	}
	return true
}

// String is the text of the setting.
func (s SyncNames) String() string {
	if len(s.Names) == 0 {
		return ""
	}
	list := make([]string, len(s.Names))
	for i, n := range s.Names {
		list[i] = quoteStandby(n)
	}
	switch {
	case s.Any:
		return fmt.Sprintf("ANY %d (%s)", s.Num, strings.Join(list, ","))
	case len(list) == 1:
		return list[0]
	}
	return fmt.Sprintf("%d (%s)", s.Num, strings.Join(list, ","))
}

// quoteStandby quotes a name that PostgreSQL's parser of the setting would
// not take as it is.
func quoteStandby(name string) string {
	plain := plainStandby(name) && !strings.EqualFold(name, "first") && !strings.EqualFold(name, "any")
	if plain || name == "*" {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// plainStandby reports [A-Za-z_][A-Za-z_0-9$]*. It is asked in every round of
// a primary's agent.
func plainStandby(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c != '$' && (c < '0' || c > '9')) {
			return false
		}
	}
	return name != ""
}

// ParseSyncNames reads the setting as PostgreSQL does.
func ParseSyncNames(text string) (SyncNames, error) {
	p := standbyParser{rest: text}
	s := SyncNames{Num: 1}
	words, quoted, err := p.words()
	if err != nil {
		return SyncNames{}, fmt.Errorf("read synchronous_standby_names %q: %w", text, err)
	}
	open := slices.Index(words, "(")
	if open < 0 || quoted[open] {
		s.Names, err = p.names(words, quoted)
	} else {
		s.Any, s.Num, err = p.method(words[:open])
		if err == nil && words[len(words)-1] != ")" {
			err = fmt.Errorf("the list does not end with a parenthesis")
		}
		if err == nil {
			s.Names, err = p.names(words[open+1:len(words)-1], quoted[open+1:])
		}
	}
	if err != nil {
		return SyncNames{}, fmt.Errorf("read synchronous_standby_names %q: %w", text, err)
	}
	if len(s.Names) == 0 {
		return SyncNames{}, nil
	}
	slices.Sort(s.Names)
	return s, nil
}

type standbyParser struct{ rest string }

// words cuts the text into names, numbers and punctuation; quoted tells
// which of them were in double quotes.
func (p *standbyParser) words() (words []string, quoted []bool, err error) {
	for {
		p.rest = strings.TrimLeft(p.rest, " \t\n\r\f\v")
		if p.rest == "" {
			return words, quoted, nil
		}
		switch c := p.rest[0]; {
		case c == '"':
			name, rest, ok := cutQuoted(p.rest[1:])
			if !ok {
				return nil, nil, fmt.Errorf("a quote is not closed")
			}
			words, quoted, p.rest = append(words, name), append(quoted, true), rest
		case strings.ContainsRune("(),*", rune(c)):
			words, quoted, p.rest = append(words, p.rest[:1]), append(quoted, false), p.rest[1:]
		default:
			end := strings.IndexAny(p.rest, " \t\n\r\f\v(),\"")
			if end < 0 {
				end = len(p.rest)
			}
			words, quoted, p.rest = append(words, p.rest[:end]), append(quoted, false), p.rest[end:]
		}
	}
}

// cutQuoted reads up to the closing quote; a doubled one stands for itself.
func cutQuoted(text string) (name, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			b.WriteByte(text[i])
			continue
		}
		if i+1 < len(text) && text[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		return b.String(), text[i+1:], true
	}
	return "", "", false
}

// method reads what stands before the list: N, FIRST N or ANY N.
func (*standbyParser) method(words []string) (anyOf bool, num int, err error) {
	if len(words) == 2 && (strings.EqualFold(words[0], "any") || strings.EqualFold(words[0], "first")) {
		anyOf, words = strings.EqualFold(words[0], "any"), words[1:]
	}
	if len(words) != 1 {
		return false, 0, fmt.Errorf("what stands before the list is neither N, FIRST N nor ANY N")
	}
	if num, err = strconv.Atoi(words[0]); err != nil || num <= 0 {
		return false, 0, fmt.Errorf("%q is not a positive number", words[0])
	}
	return anyOf, num, nil
}

// names reads names with commas between them.
func (*standbyParser) names(words []string, quoted []bool) ([]string, error) {
	var names []string
	for i, w := range words {
		comma := w == "," && !quoted[i]
		if comma != (i%2 == 1) || (!quoted[i] && (w == "(" || w == ")")) {
			return nil, fmt.Errorf("%q is not expected there", w)
		}
		if !comma {
			names = append(names, w)
		}
	}
	if n := len(words); n > 0 && n%2 == 0 {
		return nil, fmt.Errorf("a name is missing after the last comma")
	}
	return names, nil
}

func hasFold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}
