package config

import _ "embed" // for sample.yml

//go:embed sample.yml
var sample string

// Sample returns a commented configuration file with the documented defaults
// and example addresses.
func Sample() []byte { return []byte(sample) }
