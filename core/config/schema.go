package config

import "strings"

// schemaKey is one known key. A mapping of kind section lists its children.
type schemaKey struct {
	shape    shape
	in       Layer
	change   Change
	doc      string
	children map[string]*schemaKey
}

// otherStores are the sections of stores that this program does not speak.
// Beside a zookeeper section Patroni takes any of them instead: a start on
// ZooKeeper would make a second cluster.
var otherStores = []string{"consul", "etcd", "etcd3", "exhibitor", "kubernetes", "raft"}

// dcsSection is where a file has the first dynamic configuration.
const dcsSection = "bootstrap.dcs"

// newSchema builds the tree of the keys that a file may have.
func newSchema() *schemaKey {
	root := &schemaKey{}
	for k := range Keys() {
		if k.In != InStore {
			root.at(k.Path).set(k)
		}
		if k.In != InFile {
			root.at(join(dcsSection, k.Path)).set(k)
		}
	}
	root.at("tags").shape = is(textMap) // others may be added
	return root
}

func (s *schemaKey) set(k Key) { s.shape, s.in, s.change, s.doc = k.shape, k.In, k.Change, k.Doc }

// at returns the key at a dotted path; it is made if it is not there.
func (s *schemaKey) at(path string) *schemaKey {
	for part := range strings.SplitSeq(path, ".") {
		s = s.child(part)
	}
	return s
}

func (s *schemaKey) child(name string) *schemaKey {
	c := s.children[name]
	if c == nil {
		c = &schemaKey{}
		if s.children == nil {
			s.children = map[string]*schemaKey{}
		}
		s.children[name] = c
	}
	return c
}

// find returns the key at a dotted path, nil if it is not known.
func (s *schemaKey) find(path string) *schemaKey {
	for part := range strings.SplitSeq(path, ".") {
		if s = s.children[part]; s == nil {
			return nil
		}
	}
	return s
}
