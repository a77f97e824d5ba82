package certs

import (
	"crypto/tls"
	"slices"
	"strings"
)

// Ciphers reads an OpenSSL cipher string: names of suites (OpenSSL's or
// IANA's) and classes, separated by colons; "!", "-" and "+" as there. It
// returns the suites for TLS 1.2, nil for the default ones, and the words that
// name nothing known here. TLS 1.3 has fixed suites, and those that crypto/tls
// calls insecure cannot be had.
func Ciphers(text string) (suites []uint16, unknown []string) {
	known := tls.CipherSuites()
	narrowed := false
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(":, ", r) }) {
		name := strings.TrimLeft(word, "!-+")
		found := matching(known, name)
		switch {
		case strings.HasPrefix(word, "@") || strings.HasPrefix(word, "TLS_AES_") || strings.HasPrefix(word, "TLS_CHACHA20_"):
		case strings.HasPrefix(word, "!") || strings.HasPrefix(word, "-"):
			suites = slices.DeleteFunc(suites, func(id uint16) bool { return slices.Contains(found, id) })
		case strings.HasPrefix(word, "+"): // only moves to the end
		case len(found) == 0:
			unknown = append(unknown, word)
		default:
			narrowed = true
			for _, id := range found {
				if !slices.Contains(suites, id) {
					suites = append(suites, id)
				}
			}
		}
	}
	if !narrowed {
		return nil, unknown
	}
	return suites, unknown
}

// matching are the suites of TLS 1.2 that a word names.
func matching(known []*tls.CipherSuite, word string) []uint16 {
	var out []uint16
	for _, s := range known {
		if slices.Contains(s.SupportedVersions, tls.VersionTLS12) && names(s, word) {
			out = append(out, s.ID)
		}
	}
	return out
}

// names reports that a word is the suite's name or a class that it is in;
// parts may be joined by "+".
func names(s *tls.CipherSuite, word string) bool {
	name := openSSLName(s.Name)
	switch word {
	case s.Name, name, "ALL", "DEFAULT", "COMPLEMENTOFDEFAULT", "HIGH", "SECURE", "TLSv1.2":
		return true
	}
	parts := strings.Split(name, "-")
	for part := range strings.SplitSeq(word, "+") {
		switch part {
		case "EECDH", "kEECDH", "kECDHE":
			part = "ECDHE"
		case "aRSA":
			part = "RSA"
		case "aECDSA":
			part = "ECDSA"
		case "AES":
			if slices.Contains(parts, "AES128") || slices.Contains(parts, "AES256") {
				continue
			}
		case "AESGCM":
			part = "GCM"
		}
		if part != "HIGH" && !slices.Contains(parts, part) {
			return false
		}
	}
	return true
}

// openSSLName translates TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 to
// ECDHE-RSA-AES128-GCM-SHA256.
func openSSLName(iana string) string {
	name := strings.TrimPrefix(iana, "TLS_")
	name = strings.Replace(name, "_WITH_", "-", 1)
	name = strings.NewReplacer("AES_128", "AES128", "AES_256", "AES256", "CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305", "_CBC", "").Replace(name)
	return strings.ReplaceAll(name, "_", "-")
}
