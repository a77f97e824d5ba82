package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pgregent/pgregent/core/cluster"
)

// Print writes the local configuration, file and environment, as YAML with
// sorted keys. Secrets are masked.
func (l *Local) Print() []byte {
	o, _ := masked("", l.root).(*cluster.Object)
	return writeYAML(o, yamlWriter{sorted: true})
}

// yamlWriter turns configuration values into YAML nodes.
type yamlWriter struct {
	sorted bool
	// comment returns the lines above a key, "" for none; may be nil.
	comment func(path string) string
}

// writeYAML writes o in block style. What is written reads back as the same
// values, under the rules of YAML 1.1 as well as 1.2.
func writeYAML(o *cluster.Object, w yamlWriter) []byte {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(w.node("", o)); err != nil {
		panic(fmt.Sprintf("config: nodes of our own cannot be encoded: %v", err))
	}
	return b.Bytes()
}

func (w yamlWriter) node(path string, v any) *yaml.Node {
	switch v := v.(type) {
	case *cluster.Object:
		return w.mapping(path, v)
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		if len(v) == 0 {
			n.Style = yaml.FlowStyle
		}
		for _, item := range v {
			n.Content = append(n.Content, w.node(path, item))
		}
		return n
	}
	return scalarNode(v)
}

func (w yamlWriter) mapping(path string, o *cluster.Object) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if o.Len() == 0 {
		n.Style = yaml.FlowStyle
	}
	var names []string
	for name := range o.All() {
		names = append(names, name)
	}
	if w.sorted {
		slices.Sort(names)
	}
	for _, name := range names {
		key := scalarNode(name)
		if w.comment != nil {
			key.HeadComment = w.comment(join(path, name))
		}
		n.Content = append(n.Content, key, w.node(join(path, name), o.Get(name)))
	}
	return n
}

// scalarNode quotes text that would be read as something else.
func scalarNode(v any) *yaml.Node {
	switch v := v.(type) {
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	case bool:
		text := "false"
		if v {
			text = "true"
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: text}
	case json.Number:
		tag := "!!int"
		if strings.ContainsAny(v.String(), ".eE") {
			tag = "!!float"
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: v.String()}
	}
	s := cluster.Text(v)
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if _, plain := resolvePlain(s).(string); !plain || s == "<<" || strings.TrimSpace(s) != s {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
