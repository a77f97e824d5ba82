package decide

import (
	"slices"

	"github.com/pgregent/pgregent/core/cluster"
)

// receives reports that a member gets what this primary writes until its
// shutdown: by a WAL sender here, or through another standby. The archive does
// not get the shutdown checkpoint, which follows the last whole segment. Any other would take over without commits that were confirmed a moment ago.
// The leader of a standby cluster writes nothing.
func (v *View) receives(name string) bool {
	if m := v.Cluster.Member(name); m != nil && m.Data.Tags.ReplicateFrom() != "" && m.Data.ReplicationState == "streaming" {
		return true
	}
	return v.standbyCluster() || slices.ContainsFunc(v.Instance.Replication, func(w cluster.WALSender) bool {
		return cluster.ShownAs(name, w.ApplicationName) && w.State == "streaming"
	})
}

// receiversOnly is v with the peers that receive the log.
func (v *View) receiversOnly() *View {
	only := *v
	only.Peers = slices.DeleteFunc(slices.Clone(v.Peers), func(p Peer) bool { return !v.receives(p.Name) })
	return &only
}
