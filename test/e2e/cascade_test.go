package e2e

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/pgregent/pgregent/test/lab"
)

// streamsFrom waits until a node's WAL receiver is connected to another.
func streamsFrom(l *lab.Lab, n, from *lab.Node) {
	l.T.Helper()
	l.Wait(40*time.Second, n.Name+" to stream from "+from.Name, func() string {
		port, err := n.Query("SELECT sender_port FROM pg_stat_wal_receiver WHERE status = 'streaming'")
		if err != nil || port != strconv.Itoa(from.SQLPort) {
			return fmt.Sprint(port, err)
		}
		return ""
	})
}

func TestCascadingReplication(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{DCS: fast, Node: func(name string) string {
		if name != "pg3" {
			return ""
		}
		return "tags:\n  replicatefrom: pg2\n  nofailover: true\n"
	}})
	first, named, last := l.Node("pg1"), l.Node("pg2"), l.Node("pg3")
	if l.Leader() == named {
		post(t, named, "/switchover", `{"leader": "pg2", "candidate": "pg1"}`, 200)
		l.WaitHealthy(30 * time.Second)
	}
	streamsFrom(l, last, named)
	streamsFrom(l, named, first)
	first.MustExec("CREATE TABLE seen (id int); INSERT INTO seen VALUES (1)")
	arrives(l, 1)

	t.Log("the named member goes: the leader is followed")
	named.KillAll()
	streamsFrom(l, last, first)
	t.Log("it comes back")
	named.Start()
	streamsFrom(l, last, named)
	l.WaitHealthy(30 * time.Second)

	t.Log("it becomes the leader, and a standby again")
	post(t, first, "/switchover", `{"leader": "pg1", "candidate": "pg2"}`, 200)
	l.WaitHealthy(30 * time.Second)
	streamsFrom(l, last, named)
	post(t, named, "/switchover", `{"leader": "pg2", "candidate": "pg1"}`, 200)
	l.WaitHealthy(30 * time.Second)
	streamsFrom(l, last, named)
	streamsFrom(l, named, first)
	first.MustExec("INSERT INTO seen VALUES (2)")
	arrives(l, 2)
}
