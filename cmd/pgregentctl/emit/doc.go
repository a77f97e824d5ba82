// Package emit writes values as text that scripts already read: block and
// flow YAML and one-line JSON, byte for byte as PyYAML and Python's json
// module write them with sorted keys.
//
// Values are those of core/cluster: nil, bool, string, json.Number, integers,
// []any and *cluster.Object. The package is pure.
//
// Source: the YAML 1.1 specification (yaml.org/type, chapter 5 and 7) for what
// a plain scalar may be, and the behaviour of PyYAML 6, which the tests compare
// with where it is installed.
package emit
