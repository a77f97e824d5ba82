package rest

import (
	"fmt"

	"github.com/pgregent/pgregent/core/cluster"
)

// quorumRelease is the first interface version that knows quorum mode. Older
// members take it for "off": they would race as asynchronous standbys, and as
// leader drop the sync key.
const quorumRelease = 4

// refuseQuorum says why quorum mode cannot be switched on now, "" if it can.
func refuseQuorum(view *cluster.Cluster, next *cluster.Object) string {
	now, _ := cluster.ParseSettings(view.Config.Object)
	then, _ := cluster.ParseSettings(next)
	if now.Quorum() || !then.Quorum() {
		return ""
	}
	for _, m := range view.Members {
		if m.Data.Before(quorumRelease, 0) {
			return fmt.Sprintf("synchronous_mode: quorum is not known to member %s, which speaks %s: it would drop the protection; replace it first", m.Name, m.Data.Version)
		}
	}
	return ""
}
