package cluster

import (
	"fmt"
	"strings"
)

// maxAppName is the longest application_name, in bytes (NAMEDATALEN - 1).
const maxAppName = 63

// ShownAs reports whether PostgreSQL shows name, as application_name or
// cluster_name, in the form shown: other than printable ASCII bytes appear as
// question marks, from version 16 on as \xNN, and what is too long is cut.
// Two names can have the same form.
func ShownAs(name, shown string) bool {
	if strings.EqualFold(name, shown) {
		return true
	}
	var marks, escapes strings.Builder
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' {
			marks.WriteByte('?')
			fmt.Fprintf(&escapes, `\x%02x`, c)
			continue
		}
		marks.WriteByte(name[i])
		escapes.WriteByte(name[i])
	}
	for _, form := range []string{marks.String(), escapes.String()} {
		if strings.EqualFold(form[:min(len(form), maxAppName)], shown) || strings.EqualFold(form, shown) {
			return true
		}
	}
	return false
}

// PlainName reports whether PostgreSQL shows a name as it is.
func PlainName(name string) bool {
	return len(name) <= maxAppName && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' })
}
