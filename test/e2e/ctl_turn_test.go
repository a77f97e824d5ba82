package e2e

import (
	"strconv"
	"testing"

	"github.com/pgregent/pgregent/test/lab"
)

// TestToolTurnsClusters has the operator's tool exchange the roles of two
// clusters: the standby cluster is promoted, the former main one demoted.
func TestToolTurnsClusters(t *testing.T) {
	t.Parallel()
	main := lab.New(t, lab.Options{Nodes: 1, DCS: fast})
	main.Leader().MustExec("CREATE TABLE seen (id int); INSERT INTO seen VALUES (1)")
	dr := lab.New(t, lab.Options{
		Nodes: 2, ZooKeeper: []string{main.ZK.Addr()}, Scope: "dr", Prefix: "dr",
		DCS: fast + "standby_cluster: " + section(main.Nodes) + "\n",
	})
	becomes(dr, asStandbyLeader)
	arrives(dr, 1)
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
