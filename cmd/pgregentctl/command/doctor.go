package command

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/access"
	"github.com/pgregent/pgregent/cmd/pgregentctl/console"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

func (a *app) doctor() *cobra.Command {
	c := &cobra.Command{
		Use: "doctor [CLUSTER_NAME]", Short: "Look for what would go wrong one day (+)",
		Long: "Check ZooKeeper, the settings, the members and, with the file of an agent (-c), this host and the servers' own settings.\nEach finding tells what to do. The exit code is 1 if one is an error.",
		Args: atMost(1), ValidArgsFunction: a.completeClusters,
		RunE: func(c *cobra.Command, args []string) error { return a.runDoctor(c.Context(), args) },
	}
	a.addGroup(c)
	return c
}

func (a *app) runDoctor(ctx context.Context, args []string) error {
	if err := a.setUp(); err != nil {
		return err
	}
	local, list := a.checkFile()
	a.report("This host", list)
	a.report("ZooKeeper", a.checkServers(ctx))
	k, view, err := a.open(ctx, args)
	if err != nil {
		return err
	}
	a.report("Keys", a.checkKeys(ctx, k, view))
	p := a.lookAround(ctx, view)
	a.report("Members", append(p.problems(), checkClocks(p)...))
	a.report("PostgreSQL", a.checkServersSettings(ctx, local, view))
	return a.verdictOf("doctor")
}

// report prints one group of findings and remembers the worst.
func (a *app) report(title string, list []found) {
	a.Println(title)
	if len(list) == 0 {
		a.Println("  " + a.Paint(console.Green, "ok"))
	}
	for _, f := range list {
		colour := console.Green
		switch f.grade {
		case broken:
			colour = console.Red
		case atRisk:
			colour = console.Yellow
		}
		a.Printf("  %s %s", a.Paint(colour, fmt.Sprintf("%-7s", f.grade)), f.what)
		if f.fix != "" {
			a.Println("          -> " + f.fix)
		}
		a.worst = max(a.worst, f.grade)
	}
}

func (a *app) verdictOf(command string) error {
	if a.worst == broken {
		return fmt.Errorf("%s has found errors", command)
	}
	return nil
}

// checkFile checks the agent's file, if it is one, and this host against it.
func (a *app) checkFile() (*config.Local, []found) {
	if a.config.File == "" || !a.config.Agent {
		return nil, []found{{note, "only the cluster is looked at, not this host", "give the agent's file: pgregentctl -c /etc/pgregent/pgregent.yml doctor"}}
	}
	local, findings, err := config.Load(a.config.File, a.process.Environ)
	var list []found
	if local != nil {
		findings = append(findings, local.Validate()...)
	} else if err != nil && len(findings) == 0 {
		list = append(list, found{broken, err.Error(), ""})
	}
	for _, f := range findings {
		g := atRisk
		if f.Severity == config.Error {
			g = broken
		}
		list = append(list, found{g, f.String(), ""})
	}
	if local != nil {
		list = append(list, checkDisk(local)...)
		list = append(list, checkWatchdog(local.Watchdog)...)
	}
	return local, list
}

// checkServers looks at the ensemble, server by server.
func (a *app) checkServers(ctx context.Context) []found {
	var list []found
	servers := a.config.Servers(ctx)
	leaders := 0
	for _, s := range servers {
		switch {
		case s.Err != nil:
			list = append(list, found{atRisk, fmt.Sprintf("%s does not tell how it is: %v", s.Host, s.Err), "is it running, and is srvr in its 4lw.commands.whitelist?"})
		default:
			list = append(list, found{good, fmt.Sprintf("%s is %s, release %s", s.Host, s.Mode, s.Version), ""})
		}
		if s.Mode == "leader" || s.Mode == "standalone" {
			leaders++
		}
		if s.Mode == "standalone" {
			list = append(list, found{atRisk, s.Host + " is alone: while it is down the leader can only lead on in failsafe mode", "run three or five servers"})
		}
	}
	if n := len(servers); n > 1 && n%2 == 0 {
		list = append(list, found{note, fmt.Sprintf("%d servers survive no more failures than %d", n, n-1), "run an odd number"})
	}
	if leaders == 0 && len(servers) > 0 && !slices.ContainsFunc(servers, func(s access.Server) bool { return s.Err != nil }) {
		list = append(list, found{broken, "no server leads the ensemble", "look at the servers' logs"})
	}
	return list
}

// checkKeys looks at the session, the rights and the timing.
func (a *app) checkKeys(ctx context.Context, k *access.Cluster, view *cluster.Cluster) []found {
	var list []found
	settings, _ := cluster.ParseSettings(view.Config.Object)
	granted := k.Granted()
	if granted > 0 && settings.TTL > granted {
		list = append(list, found{
			broken, fmt.Sprintf("ttl is %v, yet the ensemble grants sessions %v at most", settings.TTL, granted),
			"raise maxSessionTimeout in zoo.cfg (20 x tickTime by default), or lower ttl",
		})
	}
	if anyone, err := k.OpenToAnyone(ctx); err != nil {
		list = append(list, found{note, "the rights of the keys are not known: " + err.Error(), ""})
	} else if anyone {
		list = append(list, found{note, "everybody who reaches ZooKeeper may change the keys", "keep ZooKeeper in a network of its own, or set ACLs"})
	}
	list = append(list, found{good, fmt.Sprintf("ttl %v, loop_wait %v, retry_timeout %v", settings.TTL, settings.LoopWait, settings.RetryTimeout), ""})
	if n := len(view.History); n > 1000 && settings.MaxTimelinesHistory == 0 {
		list = append(list, found{note, fmt.Sprintf("the history has %d rows and grows", n), "set max_timelines_history"})
	}
	return list
}

// maxOffset is how far the clocks of two hosts may be apart before schedules
// and logs become hard to compare.
const maxOffset = 2 * time.Second

func checkClocks(p picture) []found {
	var list []found
	versions := map[string][]string{}
	for _, m := range p.view.Members {
		if offset, ok := p.clocks[m.Name]; ok && offset.Abs() > maxOffset {
			list = append(list, found{atRisk, fmt.Sprintf("%s: its clock is %v off this host's", m.Name, offset.Round(time.Second)), "run chrony or ntpd on all hosts"})
		}
		if doc := p.docs[m.Name]; doc != nil {
			if n, ok := cluster.ParseInt(doc.Get("server_version")); ok {
				v := serverVersion(n)
				versions[v] = append(versions[v], m.Name)
			}
		}
	}
	if len(versions) > 1 {
		var parts []string
		for v, members := range versions {
			parts = append(parts, v+" on "+strings.Join(members, ", "))
		}
		slices.Sort(parts)
		list = append(list, found{note, "PostgreSQL is " + strings.Join(parts, "; "), "install the same release everywhere"})
	}
	return list
}
