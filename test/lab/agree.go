package lab

import (
	"time"

	"github.com/pgregent/pgregent/core/cluster"
)

// WaitAgreed is WaitHealthy by the word of every started node instead of one,
// whose view may be of before a fault: all name the same leader.
func (l *Lab) WaitAgreed(limit time.Duration) *Node {
	l.T.Helper()
	var leader string
	l.Wait(limit, "all nodes to see one leader, all others streaming", func() string {
		leader = ""
		for _, n := range l.Nodes {
			if !n.started {
				continue
			}
			doc, err := n.GetJSON("/cluster")
			if err != nil {
				return n.Name + ": " + err.Error()
			}
			if missing := healthyDoc(doc, l.startedNodes()); missing != "" {
				return n.Name + " sees " + missing
			}
			named := leaderOf(doc)
			if leader != "" && leader != named {
				return n.Name + " sees " + named + " lead, another node " + leader
			}
			leader = named
		}
		return ""
	})
	return l.Node(leader)
}

// leaderOf is the name of the leader in a view; "" if it has none.
func leaderOf(doc *cluster.Object) string {
	for _, m := range members(doc) {
		if cluster.Text(m.Get("role")) == "leader" {
			return cluster.Text(m.Get("name"))
		}
	}
	return ""
}
