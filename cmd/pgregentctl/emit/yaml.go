package emit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// Width is the column after which long texts are folded at a blank.
const Width = 200

// YAML returns v as a block document with sorted keys. It ends with a line
// break.
func YAML(v any) string {
	w := &writer{}
	w.node(v, -2, false)
	text := w.String()
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text
}

// Flow returns v on one line, as in {clonefrom: true, zone: a}.
func Flow(v any) string {
	switch v := v.(type) {
	case *cluster.Object:
		var parts []string
		for _, k := range sortedKeys(v) {
			parts = append(parts, flowText(k)+": "+Flow(v.Get(k)))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		var parts []string
		for _, item := range v {
			parts = append(parts, Flow(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case string:
		return flowText(v)
	}
	return scalar(v)
}

func flowText(s string) string {
	w := &writer{noFold: true}
	w.text(s, 0, true)
	return w.String()
}

// JSON returns v on one line with a blank after commas and colons.
func JSON(v any) string {
	text, err := cluster.SpacedJSON(v)
	if err != nil {
		return fmt.Sprintf("%q", err.Error()) // no value of ours cannot be written
	}
	return string(text)
}

func sortedKeys(o *cluster.Object) []string {
	var keys []string
	for k := range o.All() {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// scalar is anything but a text, a list and an object.
func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	}
	return fmt.Sprint(v)
}

// writer knows the column it is at.
type writer struct {
	strings.Builder
	column int
	noFold bool
}

func (w *writer) put(s string) {
	w.WriteString(s)
	if at := strings.LastIndexByte(s, '\n'); at >= 0 {
		w.column = len([]rune(s[at+1:]))
		return
	}
	w.column += len([]rune(s))
}

func (w *writer) newline(indent int) {
	w.put("\n" + strings.Repeat(" ", max(indent, 0)))
}

// node writes v behind what is on the line already. indent is that of the
// surrounding collection; inline means that a collection starts on this line,
// as after the dash of a list.
func (w *writer) node(v any, indent int, inline bool) {
	switch v := v.(type) {
	case *cluster.Object:
		if v.Len() == 0 {
			w.put("{}")
			return
		}
		w.mapping(v, indent+2, inline)
	case []any:
		if len(v) == 0 {
			w.put("[]")
			return
		}
		w.sequence(v, indent+2, inline)
	case string:
		w.text(v, max(indent+2, 2), false)
	default:
		w.put(scalar(v))
	}
}

func (w *writer) mapping(o *cluster.Object, indent int, inline bool) {
	for i, k := range sortedKeys(o) {
		if (i > 0 || !inline) && w.Len() > 0 {
			w.newline(indent)
		}
		key := &writer{noFold: true}
		key.text(k, 0, false)
		w.put(key.String() + ":")
		switch v := o.Get(k).(type) {
		case []any:
			if len(v) == 0 {
				w.put(" []")
				continue
			}
			w.sequence(v, indent, false) // a list in a mapping is not indented
		case *cluster.Object:
			if v.Len() == 0 {
				w.put(" {}")
				continue
			}
			w.node(v, indent, false)
		default:
			w.put(" ")
			w.node(v, indent, false)
		}
	}
}

func (w *writer) sequence(list []any, indent int, inline bool) {
	for i, v := range list {
		if (i > 0 || !inline) && w.Len() > 0 {
			w.newline(indent)
		}
		w.put("- ")
		w.node(v, indent, true)
	}
}
