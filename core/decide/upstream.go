package decide

import (
	"hash/fnv"

	"github.com/pgregent/pgregent/core/cluster"
)

// Target is the server that this node should follow: for the leader of a
// standby cluster the remote; else the member named by the replicatefrom tag
// if it runs, else the leader; nil if there is nobody, or the node restores
// from the archive only.
func Target(v *View) *cluster.Upstream {
	switch {
	case v.Tags.NoStream():
		return nil
	case v.Cluster == nil:
		return v.promisedTo()
	}
	if v.followsRemote() {
		return v.remote()
	}
	if up := cascade(v); up != nil {
		return up
	}
	return LeaderOf(v)
}

// LeaderOf is the server of the leader, if that is another member: the one that
// goes on by promises, while the store names none.
func LeaderOf(v *View) *cluster.Upstream {
	if up := v.promisedTo(); up != nil && up.Name != v.Self {
		return up
	}
	if m := v.Cluster.LeaderMember(); m != nil && m.Name != v.Self {
		return upstream(m)
	}
	return nil
}

// cascade is the member that the replicatefrom tag names, nil if there is none
// that can be followed: one that does not run, or that itself gets its log
// from this node over any number of steps, would never bring anything.
func cascade(v *View) *cluster.Upstream {
	name := v.Tags.ReplicateFrom()
	m := v.Cluster.Member(name)
	if m == nil || name == v.Self || m.Data.State != cluster.StateRunning {
		return nil
	}
	seen := map[string]bool{v.Self: true}
	for at := m; at != nil && at.Name != v.leader(); at = v.Cluster.Member(at.Data.Tags.ReplicateFrom()) {
		if seen[at.Name] {
			return nil
		}
		seen[at.Name] = true
	}
	return upstream(m)
}

// cloneSource is where a copy is taken from: a running standby that offers
// itself by the clonefrom tag, else the leader. Of several, different nodes
// take different ones.
func cloneSource(v *View) *cluster.Upstream {
	if v.synchronous() && v.Cluster.Sync.HasStandby(v.Self) {
		// Whoever is listed counts as complete; a copy of a standby may not be.
		return upstream(v.Cluster.LeaderMember())
	}
	var offered []*cluster.Upstream
	for i := range v.Cluster.Members {
		m := &v.Cluster.Members[i]
		if m.Data.Tags.CloneFrom() && m.Name != v.Self && m.Name != v.leader() && m.Data.State == cluster.StateRunning {
			if up := upstream(m); up != nil {
				offered = append(offered, up)
			}
		}
	}
	if len(offered) == 0 {
		return upstream(v.Cluster.LeaderMember())
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(v.Self)) // never fails
	return offered[h.Sum32()%uint32(len(offered))]
}

func upstream(m *cluster.Member) *cluster.Upstream {
	if m == nil {
		return nil
	}
	host, port, ok := m.Data.Address()
	if !ok {
		return nil
	}
	return &cluster.Upstream{Name: m.Name, Host: host, Port: port}
}
