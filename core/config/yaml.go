package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pgregent/pgregent/core/cluster"
)

// Limits of one document. They stop alias bombs and cycles; a real file has
// a few hundred nodes, six levels deep.
const (
	maxNodes = 20_000
	maxDepth = 64
)

// position is where a value was written.
type position struct {
	file string
	line int
}

// document is a configuration as read, with the place of each key.
type document struct {
	root  *cluster.Object
	where map[string]position // by dotted path
	// name is the file's name, for what is missing altogether.
	name     string
	findings []Finding
	// unreadable means that a file is not YAML, or not all of it was read:
	// what is missing then says nothing.
	unreadable bool
}

func newDocument(name string) *document {
	return &document{root: &cluster.Object{}, where: map[string]position{}, name: name}
}

// report adds a finding about the value at path.
func (d *document) report(s Severity, path string, v any, format string, args ...any) {
	pos, ok := d.where[path]
	if !ok {
		pos.file = d.name
	}
	d.findings = append(d.findings, Finding{
		Severity: s, File: pos.file, Line: pos.line, Key: path, Value: shown(path, v), Message: fmt.Sprintf(format, args...),
	})
}

// unknown adds a finding about a key, without its value: under a misspelt
// key may stand a password.
func (d *document) unknown(path, format string, args ...any) {
	pos := d.where[path]
	d.findings = append(d.findings, Finding{
		Severity: Warning, File: pos.file, Line: pos.line, Key: path, Message: fmt.Sprintf(format, args...),
	})
}

// refused adds the finding about the section of another store.
func (d *document) refused(path string) {
	pos := d.where[path]
	d.findings = append(d.findings, Finding{
		Severity: Error, File: pos.file, Line: pos.line, Key: path,
		Message: "this build speaks ZooKeeper; remove the section, and name the ZooKeeper servers in zookeeper.hosts",
	})
}

// yamlReader turns YAML nodes into configuration values.
type yamlReader struct {
	file   string
	doc    *document
	budget int
	full   bool // the budget ran out and this was told
}

// parseYAML reads the one document in text. A text that is not YAML, or not
// a mapping, gives an Error finding and an empty root.
func parseYAML(file string, text []byte) *document {
	doc := newDocument(file)
	r := &yamlReader{file: file, doc: doc, budget: maxNodes}
	node, err := decodeOne(text)
	if err != nil {
		r.fail(err, string(text))
		return doc
	}
	if node == nil {
		return doc
	}
	switch v := r.value(node, "", 0).(type) {
	case *cluster.Object:
		doc.root = v
	case nil:
	default:
		r.findingf(Error, node.Line, "", "the top level must be a mapping of keys to values")
	}
	return doc
}

// decodeOne returns the root node of the only document; nil if there is none.
func decodeOne(text []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var node, second yaml.Node
	if err := dec.Decode(&node); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := dec.Decode(&second); err == nil {
		return nil, fmt.Errorf("yaml: line %d: a second document; one file holds one", second.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(node.Content) == 0 {
		return nil, nil
	}
	return node.Content[0], nil
}

var yamlErrorLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

var unknownAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)

// fail reports a syntax error in text. The name of an unknown alias is left
// out of the message: it may be an unquoted password.
func (r *yamlReader) fail(err error, text string) {
	m := yamlErrorLine.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	if m == nil {
		m = []string{"", "", err.Error()}
	}
	line, _ := strconv.Atoi(m[1]) // "" gives 0: no line
	msg := m[2]
	if name := unknownAnchor.FindStringSubmatch(msg); name != nil {
		before, _, _ := strings.Cut(text, "*"+name[1])
		line = 1 + strings.Count(before, "\n")
		msg = "unknown anchor: a value that starts with * must be quoted"
	}
	r.findingf(Error, line, "", "not valid YAML: %s", msg)
}

func (r *yamlReader) findingf(s Severity, line int, key, format string, args ...any) {
	r.doc.unreadable = r.doc.unreadable || s == Error
	r.doc.findings = append(r.doc.findings, Finding{
		Severity: s, File: r.file, Line: line, Key: key, Message: fmt.Sprintf(format, args...),
	})
}

// value converts node, which stands at path.
func (r *yamlReader) value(node *yaml.Node, path string, depth int) any {
	r.budget--
	if r.budget < 0 || depth > maxDepth {
		if !r.full {
			r.findingf(Error, node.Line, path, "too large: aliases are nested too deep or refer to themselves")
		}
		r.full, r.budget = true, 0
		return nil
	}
	switch node.Kind {
	case yaml.AliasNode:
		return r.value(node.Alias, path, depth+1)
	case yaml.MappingNode:
		return r.mapping(node, path, depth)
	case yaml.SequenceNode:
		list := make([]any, 0, len(node.Content))
		for i, n := range node.Content {
			item := path + "[" + strconv.Itoa(i) + "]"
			r.doc.where[item] = position{r.file, n.Line}
			list = append(list, r.value(n, item, depth+1))
		}
		return list
	}
	return r.scalar(node, path)
}

// plainTags are the types of YAML that a scalar may be given by name.
var plainTags = []string{"!!int", "!!float", "!!bool", "!!null", "!!timestamp"}

func (r *yamlReader) scalar(node *yaml.Node, path string) any {
	tagged := node.Style&yaml.TaggedStyle != 0
	switch {
	case tagged && node.ShortTag() == "!!str":
		return node.Value
	case tagged && slices.Contains(plainTags, node.ShortTag()):
		return resolvePlain(node.Value)
	case tagged:
		r.findingf(Error, node.Line, path, "the tag %s is not allowed; write plain YAML", node.Tag)
		return nil
	case node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return node.Value
	}
	return resolvePlain(node.Value)
}

// mapping converts a mapping. Merged keys come first and are overridden by
// the mapping's own; of duplicate keys the last one counts.
func (r *yamlReader) mapping(node *yaml.Node, path string, depth int) *cluster.Object {
	o := &cluster.Object{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if isMerge(node.Content[i]) {
			r.merge(o, node.Content[i+1], path, depth)
		}
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		k, v := node.Content[i], node.Content[i+1]
		if isMerge(k) {
			continue
		}
		name, ok := r.key(k, path)
		if !ok {
			continue
		}
		at := join(path, name)
		if line, dup := seen[name]; dup {
			r.findingf(Warning, k.Line, at, "written twice, first in line %d; the last one counts", line)
		}
		seen[name] = k.Line
		r.doc.where[at] = position{r.file, k.Line}
		o.Set(name, r.value(v, at, depth+1))
	}
	return o
}

// key returns the text of a key. Keys need not be strings: numbers and
// booleans are taken by their text.
func (r *yamlReader) key(k *yaml.Node, path string) (string, bool) {
	for k.Kind == yaml.AliasNode {
		k = k.Alias
	}
	if k.Kind != yaml.ScalarNode {
		r.findingf(Error, k.Line, path, "a key must be a single word")
		return "", false
	}
	return cluster.Text(r.scalar(k, path)), true
}

func isMerge(k *yaml.Node) bool {
	return k.Kind == yaml.ScalarNode && k.Value == "<<" && (k.Tag == "!!merge" || k.Tag == "" || k.Tag == "!")
}

// merge sets the keys of the mapping, or of the list of mappings, under <<.
// The first of a list has precedence.
func (r *yamlReader) merge(o *cluster.Object, n *yaml.Node, path string, depth int) {
	v := r.value(n, path, depth+1)
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for i := len(list) - 1; i >= 0; i-- {
		sub, ok := list[i].(*cluster.Object)
		if !ok {
			r.findingf(Error, n.Line, path, "<< must refer to a mapping or a list of mappings")
			return
		}
		for k, v := range sub.All() {
			o.Set(k, v)
		}
	}
}

// join appends a key to a dotted path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
