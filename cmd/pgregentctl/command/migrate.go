package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

func (a *app) migrate() *cobra.Command {
	c := &cobra.Command{Use: "migrate", Short: "Move a cluster of Patroni to pgregent (+)", Args: func(c *cobra.Command, args []string) error {
		return usageError{words("No such command.\nTry '%s --help' for help.", c.CommandPath())}
	}, RunE: func(*cobra.Command, []string) error { return nil }}
	check := &cobra.Command{
		Use: "check [CLUSTER_NAME]", Short: "Tell whether a Patroni cluster is ready to move, and what would differ",
		Long: "Read a cluster of Patroni, and the file of one of its agents (-c), and tell what pgregent would do differently.\nNothing is changed. The exit code is 1 if something is in the way.",
		Args: atMost(1), ValidArgsFunction: a.completeClusters,
		RunE: func(c *cobra.Command, args []string) error { return a.runMigrateCheck(c.Context(), args) },
	}
	a.addGroup(check)
	c.AddCommand(check)
	return c
}

func (a *app) runMigrateCheck(ctx context.Context, args []string) error {
	if err := a.setUp(); err != nil {
		return err
	}
	a.report("Configuration file", a.checkMigrationFile())
	k, view, err := a.open(ctx, args)
	if err != nil {
		return err
	}
	p := a.lookAround(ctx, view)
	a.report("Dynamic configuration", checkDynamic(view))
	a.report("Members", checkMembers(p))
	if a.worst == broken {
		a.Printf("%s is not ready to move.", k.Name)
		return a.verdictOf("migrate check")
	}
	a.Printf("%s is ready to move: pause it, replace the agents one by one, standbys first, and resume it.", k.Name)
	return nil
}

// checkMigrationFile reads Patroni's file as an agent of ours would.
func (a *app) checkMigrationFile() []found {
	if a.config.File == "" || !a.config.Agent {
		return []found{{note, "not looked at", "give the file of an agent: pgregentctl -c /etc/patroni/config.yml migrate check"}}
	}
	_, findings, err := config.Load(a.config.File, a.process.Environ)
	var list []found
	for _, f := range findings {
		g, fix := atRisk, "the agent would start without it"
		if f.Severity == config.Error {
			g, fix = broken, "the agent would not start with it"
		}
		list = append(list, found{g, f.String(), fix})
	}
	if err != nil && len(list) == 0 {
		list = append(list, found{broken, err.Error(), ""})
	}
	return list
}

func checkDynamic(view *cluster.Cluster) []found {
	var list []found
	if view.Config.Object == nil {
		list = append(list, found{broken, "there is no dynamic configuration", "start the present agents once, they write it"})
	}
	_, warnings := cluster.ParseSettings(view.Config.Object)
	for _, w := range warnings {
		list = append(list, found{atRisk, w, "pgregentctl edit-config"})
	}
	if view.SystemID() == "" {
		list = append(list, found{broken, "the cluster has no system identifier: it was never bootstrapped, or is just being", "wait for the bootstrap to end"})
	}
	if view.Failover.Pending() {
		list = append(list, found{atRisk, "a switchover or failover is pending", "pgregentctl flush CLUSTER_NAME switchover, or wait for it"})
	}
	for _, f := range view.Findings {
		list = append(list, found{broken, f, "an agent would ignore it"})
	}
	return list
}

// oldestMajor is the first release of Patroni whose clusters can be mixed.
const oldestMajor = 3

func checkMembers(p picture) []found {
	var list []found
	if p.view.LeaderMember() == nil {
		list = append(list, found{broken, "nobody leads", "move a healthy cluster only"})
	}
	for _, m := range p.view.Members {
		doc, answers := p.docs[m.Name]
		kind := "Patroni"
		if doc.Object("pgregent") != nil {
			kind = "pgregent"
		}
		f := found{good, fmt.Sprintf("%s: %s speaking %s, %s", m.Name, kind, m.Data.Version, m.Data.State), ""}
		switch {
		case m.Data.Before(oldestMajor, 0):
			f.grade, f.fix = broken, "upgrade Patroni to 3.0 or later first"
		case !answers:
			f.grade, f.what, f.fix = broken, fmt.Sprintf("%s does not answer: %s", m.Name, p.silent[m.Name]), "all members must be up"
		case m.Data.State != cluster.StateRunning:
			f.grade, f.fix = broken, "all members must be up"
		case m.Data.Before(3, 1) && kind == "Patroni":
			f.grade, f.what = note, f.what+": it notices changed member keys late"
		}
		list = append(list, f)
		if doc != nil && doc.Get("pending_restart") == true {
			list = append(list, found{note, m.Name + " needs a restart for its settings", "restart it before the move"})
		}
		if n, ok := cluster.ParseInt(doc.Get("server_version")); ok && n < 130000 {
			list = append(list, found{atRisk, fmt.Sprintf("%s: PostgreSQL %s is older than what is tested", m.Name, serverVersion(n)), "upgrade to 13 or later"})
		}
	}
	return list
}
