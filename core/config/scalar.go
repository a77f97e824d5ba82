package config

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// The implicit types of YAML 1.1 (yaml.org/type), as far as PyYAML's safe
// loader knows them. Dates stay text: no key takes one.
var (
	yamlInt = regexp.MustCompile(`^[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*(:[0-5]?[0-9])*)$`)
	// A float needs a dot, and its exponent a sign.
	yamlFloat = regexp.MustCompile(`^[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?$`)
)

// resolvePlain returns the value of an unquoted scalar: nil, bool,
// json.Number or string.
func resolvePlain(text string) any {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return nil
	case "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return true
	case "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return false
	}
	if yamlInt.MatchString(text) {
		if n, ok := parseYAMLInt(text); ok {
			return n
		}
	}
	if yamlFloat.MatchString(text) {
		f, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
		if err == nil {
			return floatNumber(f)
		}
	}
	return text
}

// floatNumber writes f as Python does: 1.0 keeps its fraction.
func floatNumber(f float64) json.Number {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return json.Number(s)
}

// parseYAMLInt reads binary, octal (leading 0), hexadecimal, decimal and
// base-60 integers with underscores.
func parseYAMLInt(text string) (json.Number, bool) {
	digits := strings.ReplaceAll(text, "_", "")
	sign, digits := cutSign(digits)
	n, ok := new(big.Int), true
	switch {
	case digits == "0":
	case strings.HasPrefix(digits, "0b"):
		_, ok = n.SetString(digits[2:], 2)
	case strings.HasPrefix(digits, "0x"):
		_, ok = n.SetString(digits[2:], 16)
	case strings.HasPrefix(digits, "0"):
		_, ok = n.SetString(digits[1:], 8)
	default:
		n, ok = parseBase60(digits)
	}
	if !ok {
		return "", false
	}
	return json.Number(sign + n.String()), true
}

func cutSign(s string) (sign, digits string) {
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		return "-", rest
	}
	return "", strings.TrimPrefix(s, "+")
}

func parseBase60(digits string) (*big.Int, bool) {
	n := new(big.Int)
	for part := range strings.SplitSeq(digits, ":") {
		d, ok := new(big.Int).SetString(part, 10)
		if !ok {
			return nil, false
		}
		n.Add(n.Mul(n, big.NewInt(60)), d)
	}
	return n, true
}
