package command

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/access"
	"github.com/pgregent/pgregent/cmd/pgregentctl/console"
	"github.com/pgregent/pgregent/cmd/pgregentctl/show"
	"github.com/pgregent/pgregent/core/cluster"
)

func (a *app) status() *cobra.Command {
	c := &cobra.Command{
		Use: "status [CLUSTER_NAME]", Short: "Show on one screen how a cluster is, and what is at risk (+)",
		Long: "Show on one screen who leads and since when, why it changed last, what is pending and what is at risk.\nThe exit code is 1 if something is broken.",
		Args: atMost(1), ValidArgsFunction: a.completeClusters,
		RunE: func(c *cobra.Command, args []string) error {
			k, view, err := a.open(c.Context(), args)
			if err != nil {
				return err
			}
			p := a.lookAround(c.Context(), view)
			a.Print(a.screen(c.Context(), k, p))
			if worst(p.problems()) == broken {
				return fmt.Errorf("cluster %s is not healthy", k.Name)
			}
			return nil
		},
	}
	a.addGroup(c)
	return c
}

// ownWords reads a member's status document, and compares its clock.
func (a *app) ownWords(ctx context.Context, m cluster.Member) (*cluster.Object, time.Duration, error) {
	begun := time.Now()
	r, err := a.agents.Do(ctx, http.MethodGet, m.Data.APIURL, "/patroni", nil)
	if err != nil {
		return nil, 0, err
	}
	doc, err := cluster.ParseObject([]byte(r.Text))
	if err != nil {
		return nil, 0, fmt.Errorf("it answers %d with something else than a status document", r.Code)
	}
	var offset time.Duration
	if at, err := http.ParseTime(r.Header("Date")); err == nil { // whole seconds
		middle := begun.Add(time.Since(begun) / 2)
		if offset = at.Sub(middle.Truncate(time.Second)); offset.Abs() <= time.Second {
			offset = 0
		}
	}
	return doc, offset, nil
}

// screen is the whole status.
func (a *app) screen(ctx context.Context, k *access.Cluster, p picture) string {
	var b strings.Builder
	problems := p.problems()
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "  %-12s %s\n", label, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "Cluster %s: %s\n", k.Name, a.verdict(problems))
	a.leadership(line, p)
	settings, _ := cluster.ParseSettings(p.view.Config.Object)
	if settings.Synchronous() {
		line("synchronous", "%s; %s", settings.SynchronousMode, listOr(p.view.Sync.Standbys, "nobody confirms"))
	}
	if remote := settings.StandbyCluster; remote != nil {
		line("follows", "%s %s", remote.Host, remote.Port)
	}
	b.WriteString(show.Members(p.view, k.Name, show.Topology, a.look(k, false)))
	for _, m := range p.view.Members {
		if own := p.docs[m.Name].Object("pgregent"); own != nil && text(own.Get("reason")) != "" {
			job := text(own.Get("job"))
			if job != "" {
				job = " (" + job + ")"
			}
			line(m.Name, "%s: %s%s", text(own.Get("rule")), text(own.Get("reason")), job)
		}
	}
	a.section(&b, problems)
	a.forecast(ctx, &b, p)
	return b.String()
}

func (a *app) verdict(problems []found) string {
	switch worst(problems) {
	case broken:
		return a.Paint(console.Red, "BROKEN")
	case atRisk:
		return a.Paint(console.Yellow, "AT RISK")
	}
	return a.Paint(console.Green, "HEALTHY")
}

func listOr(list []string, none string) string {
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, ", ")
}

// leadership tells who leads, since when, and why it changed last.
func (a *app) leadership(line func(string, string, ...any), p picture) {
	name := p.view.LeaderName()
	if name == "" {
		line("leader", "nobody")
	} else {
		line("leader", "%s%s", name, a.since(p))
	}
	if n := len(p.view.History); n > 0 {
		last := p.view.History[n-1]
		at := ""
		if last.At != "" {
			at = " on " + last.At
		}
		line("last change", "timeline %d ended at %s%s: %s", last.Timeline, last.LSN, at, last.Reason)
	}
}

// since is when the leader's timeline began; "" if nobody has noted it.
func (a *app) since(p picture) string {
	leader := p.view.LeaderMember()
	text := ""
	if leader != nil && leader.Data.Timeline > 0 {
		text = fmt.Sprintf(", timeline %d", leader.Data.Timeline)
	}
	n := len(p.view.History)
	if n == 0 || p.view.History[n-1].NewLeader != p.view.LeaderName() {
		return text
	}
	at, err := cluster.ParseTime(p.view.History[n-1].At)
	if err != nil {
		return text
	}
	return fmt.Sprintf(" since %s (%s)%s", at.Format("2006-01-02 15:04:05 -07:00"), sinceText(a.now().Sub(at)), text)
}

func (a *app) section(b *strings.Builder, problems []found) {
	if len(problems) == 0 {
		return
	}
	b.WriteString("Findings\n")
	for _, f := range problems {
		colour := console.Bold
		switch f.grade {
		case broken:
			colour = console.Red
		case atRisk:
			colour = console.Yellow
		}
		fmt.Fprintf(b, "  %s %s\n", a.Paint(colour, fmt.Sprintf("%-7s", f.grade)), f.what)
		if f.fix != "" {
			fmt.Fprintf(b, "          -> %s\n", f.fix)
		}
	}
}
