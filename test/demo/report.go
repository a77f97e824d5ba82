package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
)

// report prints the nodes, the ports and what to try.
func (d *demo) report(ctx context.Context, s *state) {
	now := map[string]member{}
	list, err := view(ctx, s)
	for _, m := range list {
		now[m.Name] = m
	}
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nNODE\tROLE\tSTATE\tREST\tSQL\tAGENT")
	for _, n := range s.Nodes {
		m := now[n.Name]
		agent := "ended"
		if n.alive() {
			agent = "pid " + strconv.Itoa(n.Pid)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", n.Name, orDash(m.Role), orDash(m.State), n.REST, n.SQL, agent)
	}
	_ = w.Flush() // to the terminal
	if err != nil {
		fmt.Fprintln(d.out, "(no agent answers:", err.Error()+")")
	}
	fmt.Fprintf(d.out, "\nHAProxy: read-write 127.0.0.1:%d, read-only 127.0.0.1:%d   ZooKeeper: %s\n",
		s.HAProxy.ReadWrite, s.HAProxy.ReadOnly, s.ZooKeeper.Address)
	fmt.Fprintf(d.out, "Files: %s (cluster.json for scripts, log/ for output)\n", d.dir)
	d.suggestions(s, now)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// suggestions prints four commands with the real names and ports.
func (d *demo) suggestions(s *state, now map[string]member) {
	leader, candidate := s.Nodes[0], s.Nodes[1]
	for _, n := range s.Nodes {
		switch now[n.Name].Role {
		case "leader":
			leader = n
		case "replica":
			candidate = n
		}
	}
	_, port, err := net.SplitHostPort(leader.SQL)
	if err != nil {
		port = leader.SQL
	}
	fmt.Fprintf(d.out, `
Try:
  # which server answers behind the read-write port (the primary has port %s)
  psql 'host=127.0.0.1 port=%d user=%s password=%s dbname=postgres' -c 'SELECT inet_server_port(), pg_is_in_recovery()'
  # kill the primary and look at the cluster again
  kill -9 "$(head -n 1 %s)"
  # switch over as planned
  curl -s %s/switchover -d '{"leader": "%s", "candidate": "%s"}'
  # Patroni's own tool
  patronictl -c %s list

"make demo-down" ends and removes everything.
`, port, s.HAProxy.ReadWrite, s.Superuser.Username, s.Superuser.Password,
		relative(d.root, filepath.Join(leader.DataDir, "postmaster.pid")), leader.REST, leader.Name, candidate.Name,
		relative(d.root, filepath.Join(d.dir, "patronictl.yml")))
}

// relative is path as seen from root, where make runs.
func relative(root, path string) string {
	if rel, err := filepath.Rel(root, path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}
