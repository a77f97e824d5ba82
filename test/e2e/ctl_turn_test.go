package e2e

import (
	"strconv"
	"testing"
)

// TestToolTurnsClusters has the operator's tool exchange the roles of two
// clusters: the standby cluster is promoted, the former main one demoted.
func TestToolTurnsClusters(t *testing.T) {
	t.Parallel()
	main, dr := mainAndStandby(t, 1)
	atMain, atDR := &run{Lab: main, t: t}, &run{Lab: dr, t: t}

	atDR.tool(1, "Cluster is already in the required state", "demote-cluster", "--host", "127.0.0.1", "--force")
	out := atDR.tool(0, "cluster is successfully promoted", "promote-cluster", "--force")
	t.Log(out)
	atDR.tool(1, "Cluster is already in the required state", "promote-cluster", "--force")
	leader := becomes(dr, asPrimary)

	out = atMain.tool(0, "cluster is successfully demoted", "demote-cluster", "--host", "127.0.0.1", "--port", strconv.Itoa(leader.SQLPort), "--force")
	t.Log(out)
	becomes(main, asStandbyLeader)
	leader.MustExec("INSERT INTO seen VALUES (2)")
	arrives(main, 2)
	arrives(dr, 2)
	if w := writableNodes(t, main, dr); len(w) != 1 || w[0] != leader.Name {
		t.Errorf("writable: %v, want %s", w, leader.Name)
	}
}
