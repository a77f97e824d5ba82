package zkdcs

import (
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// The keys below the base path.
const (
	keyInitialize   = "initialize"
	keyConfig       = "config"
	keyLeader       = "leader"
	keyFailover     = "failover"
	keySync         = "sync"
	keyStatus       = "status"
	keyOptime       = "optime/leader" // of releases before 2.1
	keyFailsafe     = "failsafe"
	keyHistory      = "history"
	keyMembers      = "members"
	keyRegistration = "pgregent" // parent of the own ephemerals, ours alone
)

// paths makes znode paths of keys.
type paths struct{ base string }

// newPaths returns the paths below /chroot/namespace/scope.
func newPaths(o Options) paths {
	return paths{base: cluster.Path(o.Chroot+"/"+o.Namespace, o.Scope)}
}

func (p paths) of(key string) string            { return p.base + "/" + key }
func (p paths) member(name string) string       { return p.of(keyMembers) + "/" + name }
func (p paths) registration(name string) string { return p.of(keyRegistration) + "/" + name }

// key is the inverse of of; false for a path that is not below the base.
func (p paths) key(path string) (string, bool) { return strings.CutPrefix(path, p.base+"/") }

// ancestors lists path's parents, the topmost first, without the root.
func ancestors(path string) []string {
	var list []string
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			list = append(list, path[:i])
		}
	}
	return list
}
