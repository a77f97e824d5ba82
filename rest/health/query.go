package health

import (
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

type pair struct{ key, value string }

// params are the query parameters that health checks know.
type params struct {
	lag, mode string
	tags      []pair
}

// parseQuery reads a raw query. The first value of a name wins, blank values
// count as absent, and a bad escape is taken literally.
func parseQuery(query string) params {
	var q params
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, value = unescape(name), unescape(value)
		if value == "" {
			continue
		}
		switch key, isTag := strings.CutPrefix(name, "tag_"); {
		case name == "lag" && q.lag == "":
			q.lag = value
		case name == "mode" && q.mode == "":
			q.mode = value
		case isTag && !q.hasTag(key):
			q.tags = append(q.tags, pair{key, value})
		}
	}
	return q
}

func (q params) hasTag(key string) bool {
	for _, t := range q.tags {
		if t.key == key {
			return true
		}
	}
	return false
}

func unescape(s string) string {
	if out, err := url.QueryUnescape(s); err == nil {
		return out
	}
	return strings.ReplaceAll(s, "+", " ")
}

// size is the grammar of PostgreSQL's memory settings: a C integer or a
// float, an optional blank and an optional unit.
var size = regexp.MustCompile(`^\s*([+-]?)(0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(B|kB|MB|GB|TB)?\s*$`)

// units are powers of 1024; each is a thousand-and-twenty-fourth of the next.
var units = []string{"B", "kB", "MB", "GB", "TB"}

// parseLag reads a number of bytes as PostgreSQL reads settings. ok is false
// for what cannot be read, which means no limit: answering an error instead
// would empty pools that work today.
func parseLag(s string) (bytes int64, ok bool) {
	m := size.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	power := 0
	for i, u := range units {
		if u == m[3] {
			power = i
		}
	}
	value, ok := number(m[2], power)
	if !ok {
		return 0, false
	}
	if m[1] == "-" {
		value = -value
	}
	return clamp(value), true
}

// number reads an unsigned integer (decimal, 0x hex, 0 octal) or a float in
// units of 1024^power bytes. A float is rounded to the next smaller unit.
func number(digits string, power int) (float64, bool) {
	scale := math.Pow(1024, float64(power))
	if strings.ContainsAny(digits, "xX") || !strings.ContainsAny(digits, ".eE") {
		n, err := strconv.ParseUint(digits, 0, 63)
		return float64(n) * scale, err == nil
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0, false
	}
	smaller := math.Max(scale/1024, 1)
	return math.RoundToEven(f*scale/smaller) * smaller, true
}

// clamp keeps limits far from the ends of int64, so that they can be added.
func clamp(f float64) int64 {
	return int64(math.Max(-1<<62, math.Min(f, 1<<62)))
}
