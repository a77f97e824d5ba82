package postgres

import (
	"math"
	"strconv"
	"strings"
)

// unitSizes are PostgreSQL's units of memory, in bytes, and of time, in
// microseconds, from the largest to the smallest.
var unitSizes = []struct {
	name string
	size float64
	time bool
}{
	{"TB", 1 << 40, false},
	{"GB", 1 << 30, false},
	{"MB", 1 << 20, false},
	{"kB", 1 << 10, false},
	{"B", 1, false},
	{"d", 86400e6, true},
	{"h", 3600e6, true},
	{"min", 60e6, true},
	{"s", 1e6, true},
	{"ms", 1e3, true},
	{"us", 1, true},
}

// baseUnit splits a unit of pg_settings, as in 8kB, into what one of it is.
func baseUnit(unit string) (size float64, isTime, ok bool) {
	digits := strings.TrimRight(unit, "abcdefghijklmnopqrstuvwxyzBMGT")
	count := 1.0
	if digits != "" {
		n, err := strconv.ParseFloat(digits, 64)
		if err != nil {
			return 0, false, false
		}
		count = n
	}
	for _, u := range unitSizes {
		if u.name == unit[len(digits):] {
			return count * u.size, u.time, true
		}
	}
	return 0, false, false
}

// inUnits reads a number with or without a unit, for a parameter whose bare
// numbers are in unit.
func inUnits(text, unit string) (float64, bool) {
	text = strings.TrimSpace(text)
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzBMGT")
	suffix := text[len(digits):]
	n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if err != nil {
		return 0, false
	}
	if suffix == "" {
		return n, true
	}
	base, baseTime, ok := baseUnit(unit)
	size, isTime, known := baseUnit(suffix)
	if !ok || !known || baseTime != isTime || unit == "" {
		return 0, false
	}
	return n * size / base, true
}

// withUnit writes a number of unit as the server shows it: in the largest
// unit in which it is a whole number.
func withUnit(n float64, unit string) string {
	whole := strconv.FormatFloat(n, 'f', -1, 64)
	base, isTime, ok := baseUnit(unit)
	if !ok || n <= 0 || n != math.Trunc(n) {
		return whole
	}
	for _, u := range unitSizes {
		if u.time == isTime && math.Mod(n*base, u.size) == 0 {
			return strconv.FormatFloat(n*base/u.size, 'f', -1, 64) + u.name
		}
	}
	return whole
}
