package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/test/lab"
)

// section is the standby_cluster section that names the nodes of another
// cluster, as JSON.
func section(nodes []*lab.Node) string {
	var hosts, ports []string
	for _, n := range nodes {
		hosts, ports = append(hosts, "127.0.0.1"), append(ports, strconv.Itoa(n.SQLPort))
	}
	return fmt.Sprintf(`{"host": "%s", "port": "%s"}`, strings.Join(hosts, ","), strings.Join(ports, ","))
}

// patch changes the dynamic configuration of a cluster.
func patch(t *testing.T, l *lab.Lab, body string) {
	t.Helper()
	code, text, err := l.Leader().Call(http.MethodPatch, "/config", body)
	if err != nil || code != http.StatusOK {
		t.Fatalf("PATCH /config %s: got %d %q (%v)", body, code, text, err)
	}
}

// arrives waits until a row is on all nodes of a cluster.
func arrives(l *lab.Lab, id int) {
	l.T.Helper()
	for _, n := range l.Nodes {
		l.Wait(30*time.Second, fmt.Sprintf("row %d on %s", id, n.Name), func() string {
			got, err := n.Query(fmt.Sprintf("SELECT count(*) FROM seen WHERE id = %d", id))
			if err != nil || got != "1" {
				return fmt.Sprint(got, err)
			}
			return ""
		})
	}
}

// answers waits for the codes of a node's health checks.
func answers(l *lab.Lab, n *lab.Node, want map[string]int) {
	l.T.Helper()
	for path, code := range want {
		l.Wait(20*time.Second, fmt.Sprintf("%s GET %s to give %d", n.Name, path, code), func() string {
			if got, _, err := n.Call(http.MethodGet, path, ""); err != nil || got != code {
				return fmt.Sprint(got, err)
			}
			return ""
		})
	}
}

var (
	asPrimary       = map[string]int{"/primary": 200, "/leader": 200, "/standby-leader": 503, "/replica": 503, "/read-only": 200}
	asStandbyLeader = map[string]int{"/primary": 503, "/leader": 200, "/standby-leader": 200, "/replica": 503, "/read-only": 200}
	asReplica       = map[string]int{"/primary": 503, "/leader": 503, "/standby-leader": 503, "/replica": 200, "/read-only": 200}
)

// becomes waits until the cluster's leader answers as wanted and all others
// as replicas that stream.
func becomes(l *lab.Lab, want map[string]int) *lab.Node {
	l.T.Helper()
	var leader *lab.Node
	l.Wait(30*time.Second, "a leader", func() string {
		if leader = l.Leader(); leader == nil {
			return "none"
		}
		return ""
	})
	answers(l, leader, want)
	l.Wait(20*time.Second, "the leader's member key to tell its role", func() string {
		text := l.ReadKey("members/" + leader.Name)
		if strings.Contains(text, string(cluster.RoleStandbyLeader)) != (want["/standby-leader"] == http.StatusOK) {
			return text
		}
		return ""
	})
	leader = l.WaitHealthy(60 * time.Second)
	for _, n := range l.Nodes {
		if n != leader {
			answers(l, n, asReplica)
		}
	}
	return leader
}

// writableNodes are the nodes of both clusters that accept writes.
func writableNodes(t *testing.T, clusters ...*lab.Lab) (names []string) {
	t.Helper()
	for _, l := range clusters {
		for _, n := range l.Nodes {
			if got, err := n.Query("SELECT pg_is_in_recovery()"); err == nil && got == "false" {
				names = append(names, n.Name)
			}
		}
	}
	return names
}

// mainAndStandby are a cluster of so many nodes, and a standby cluster of two
// that has the first row of the table seen.
func mainAndStandby(t *testing.T, nodes int) (main, dr *lab.Lab) {
	t.Helper()
	main = lab.New(t, lab.Options{Nodes: nodes, DCS: fast})
	main.Leader().MustExec("CREATE TABLE seen (id int); INSERT INTO seen VALUES (1)")
	dr = lab.New(t, lab.Options{
		Nodes: 2, ZooKeeper: []string{main.ZK.Addr()}, Scope: "dr", Prefix: "dr",
		DCS: fast + "standby_cluster: " + section(main.Nodes) + "\n",
	})
	becomes(dr, asStandbyLeader)
	arrives(dr, 1)
	return main, dr
}

func TestStandbyCluster(t *testing.T) {
	t.Parallel()
	main, dr := mainAndStandby(t, 2)
	leader := dr.Leader()

	t.Log("the main cluster's primary moves; the standby cluster goes on with the new one")
	post(t, main.Leader(), "/switchover", fmt.Sprintf(`{"leader": %q}`, main.Leader().Name), 200)
	main.WaitHealthy(30 * time.Second)
	main.Leader().MustExec("INSERT INTO seen VALUES (2)")
	arrives(dr, 2)

	t.Log("the standby cluster's leader moves, without a restart of PostgreSQL")
	postmaster := leader.Postmaster()
	post(t, leader, "/switchover", fmt.Sprintf(`{"leader": %q}`, leader.Name), 200)
	if other := becomes(dr, asStandbyLeader); other == leader || leader.Postmaster() != postmaster {
		t.Errorf("after the switchover the leader is %s; postmaster of the old one %d, was %d", other.Name, leader.Postmaster(), postmaster)
	}
	main.Leader().MustExec("INSERT INTO seen VALUES (3)")
	arrives(dr, 3)

	t.Log("the standby leader fails; the other one follows the remote")
	leader = dr.Leader()
	leader.KillAll()
	dr.Wait(40*time.Second, "another standby leader", func() string {
		if now := dr.Leader(); now == nil || now == leader {
			return "none yet"
		}
		return ""
	})
	leader.Start()
	becomes(dr, asStandbyLeader)
	main.Leader().MustExec("INSERT INTO seen VALUES (4)")
	arrives(dr, 4)

	t.Log("the clusters change places, and change back")
	exchange(t, main, dr, 5)
	exchange(t, dr, main, 6)
	if lost := main.Leader(); lost != nil {
		if got, err := lost.Query("SELECT count(*) FROM seen"); err != nil || got != "6" {
			t.Errorf("got %s rows (%v), want 6", got, err)
		}
	}
}

// exchange makes from a standby cluster of to, whose leader becomes primary,
// and writes row id there.
func exchange(t *testing.T, from, to *lab.Lab, id int) {
	t.Helper()
	patch(t, from, `{"standby_cluster": `+section(to.Nodes)+`}`)
	answers(from, from.Leader(), asStandbyLeader)
	from.Wait(20*time.Second, "no primary", func() string {
		if w := writableNodes(t, from, to); len(w) > 0 {
			return fmt.Sprint(w)
		}
		return ""
	})
	patch(t, to, `{"standby_cluster": null}`)
	becomes(to, asPrimary)
	to.Leader().MustExec(fmt.Sprintf("INSERT INTO seen VALUES (%d)", id))
	becomes(from, asStandbyLeader)
	arrives(from, id)
	arrives(to, id)
	if w := writableNodes(t, from, to); len(w) != 1 {
		t.Errorf("writable: %v, want one", w)
	}
}

// TestStandbyClusterAfterADisaster has a main cluster that was lost and comes
// back with log that the standby cluster, promoted meanwhile, never had.
func TestStandbyClusterAfterADisaster(t *testing.T) {
	t.Parallel()
	main := lab.New(t, lab.Options{Nodes: 2, DCS: fast})
	main.Leader().MustExec("CREATE TABLE seen (id int); INSERT INTO seen VALUES (1)")
	dr := lab.New(t, lab.Options{
		Nodes: 2, ZooKeeper: []string{main.ZK.Addr()}, Scope: "dr", Prefix: "dr",
		DCS: fast + "standby_cluster: " + section(main.Nodes) + "\n",
	})
	leader := becomes(dr, asStandbyLeader)
	arrives(dr, 1)

	t.Log("the agent of the standby leader is killed and comes back: PostgreSQL streams on")
	postmaster := leader.Postmaster()
	receiver, err := leader.Query("SELECT pid FROM pg_stat_wal_receiver")
	if err != nil {
		t.Fatal(err)
	}
	leader.KillAgent()
	leader.Start()
	answers(dr, leader, asStandbyLeader)
	main.Leader().MustExec("INSERT INTO seen VALUES (2)")
	arrives(dr, 2)
	if now, err := leader.Query("SELECT pid FROM pg_stat_wal_receiver"); err != nil || now != receiver || leader.Postmaster() != postmaster {
		t.Errorf("WAL receiver %s (%v), was %s; postmaster %d, was %d", now, err, receiver, leader.Postmaster(), postmaster)
	}

	t.Log("the main cluster is lost; the standby cluster is promoted")
	for _, n := range main.Nodes {
		n.KillAll()
	}
	patch(t, dr, `{"standby_cluster": null}`)
	becomes(dr, asPrimary).MustExec("INSERT INTO seen VALUES (3)")

	t.Log("the main cluster comes back, writes what nobody else has, and becomes a standby cluster")
	for _, n := range main.Nodes {
		n.Start()
	}
	becomes(main, asPrimary).MustExec("INSERT INTO seen VALUES (-1); SELECT pg_switch_wal(); INSERT INTO seen VALUES (-2)")
	patch(t, main, `{"standby_cluster": `+section(dr.Nodes)+`}`)
	becomes(main, asStandbyLeader)
	dr.Leader().MustExec("INSERT INTO seen VALUES (4)")
	for id := 1; id <= 4; id++ {
		arrives(main, id)
	}
	for _, n := range main.Nodes {
		if got, err := n.Query("SELECT count(*) FROM seen WHERE id < 0"); err != nil || got != "0" {
			t.Errorf("%s has %s rows of its abandoned history (%v)", n.Name, got, err)
		}
	}
}
