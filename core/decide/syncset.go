package decide

import (
	"strings"

	"github.com/pgregent/pgregent/core/cluster"
)

// nameSet holds member names without regard to case, as the sync key and
// synchronous_standby_names compare them.
type nameSet map[string]bool

func setOf(names []string) nameSet {
	s := nameSet{}
	for _, n := range names {
		s[strings.ToLower(n)] = true
	}
	return s
}

func (s nameSet) has(name string) bool { return s[strings.ToLower(name)] }

func (s nameSet) equal(o nameSet) bool { return len(s) == len(o) && s.without(o) == 0 }

// without is how many names of s are not in o.
func (s nameSet) without(o nameSet) int {
	n := 0
	for name := range s {
		if !o[name] {
			n++
		}
	}
	return n
}

// confirming is how many of the names are sure to have each commit that is
// acknowledged under the setting. "*" lets strangers confirm: then nobody is.
func confirming(n cluster.SyncNames) int {
	if n.Has("*") {
		return 0
	}
	return n.Num
}

// guarded reports whether commits acknowledged under the names are safe while
// the sync key lists the voters with that quorum.
//
// A candidate for the lead must not be behind quorum other nodes of
// G = {leader} and voters: with itself it has looked at quorum+1 nodes of G.
// A commit is on the leader and on k of the names; of these, at most
// |names minus voters| are outside G, so at least
// h = 1 + max(0, k - |names minus voters|) nodes of G have it. Two subsets of
// G whose sizes add up to more than |G| share a node, so the candidate is not
// behind a node that has the commit if quorum+1 + h > |G| = 1 + |voters|.
//
// With quorum 0 this says that every voter has to confirm every commit, which
// is the plain synchronous mode: both modes are one.
func guarded(voters nameSet, quorum int, names cluster.SyncNames) bool {
	return len(voters) <= quorum+held(voters, names)
}

// held is how many voters have each commit that the names acknowledge.
func held(voters nameSet, names cluster.SyncNames) int {
	return max(0, confirming(names)-setOf(names.Names).without(voters))
}
