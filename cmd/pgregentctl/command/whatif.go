package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/decide"
	"github.com/pgregent/pgregent/core/lease"
)

func (a *app) whatIf() *cobra.Command {
	var scope string
	c := &cobra.Command{
		Use: "whatif MEMBER_NAMES...", Short: "Tell who would lead if members went down now (+)",
		Long: "Tell who would lead, and what could be lost, if the named members went down now.\nThe answer is that of this agent's own rules, from ZooKeeper and what the members say.",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{words("Missing argument 'MEMBER_NAMES'.\nTry '%s --help' for help.", c.CommandPath())}
			}
			return nil
		},
		ValidArgsFunction: func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return a.memberNames(c, clusterArg(scope)), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, down []string) error { return a.runWhatIf(c.Context(), clusterArg(scope), down) },
	}
	c.Flags().StringVar(&scope, "cluster", "", "the `name` of the cluster")
	a.addGroup(c)
	return c
}

func clusterArg(scope string) []string {
	if scope == "" {
		return nil
	}
	return []string{scope}
}

func (a *app) runWhatIf(ctx context.Context, args, down []string) error {
	k, view, err := a.open(ctx, args)
	if err != nil {
		return err
	}
	for _, name := range down {
		if view.Member(name) == nil && name != view.LeaderName() {
			return fmt.Errorf("there is no member %s in cluster %s: it has %s", name, k.Name, listOr(names(view.Members), "none"))
		}
	}
	out := a.imagine(ctx, view, down)
	a.Printf("If %s went down now:", strings.Join(down, " and "))
	a.Print(told(view, out, down))
	return nil
}

// imagine asks all members how they are, and the rules what they would do.
func (a *app) imagine(ctx context.Context, view *cluster.Cluster, down []string) decide.Outcome {
	settings, _ := cluster.ParseSettings(view.Config.Object)
	v := decide.View{Now: lease.Now(), Wall: a.now(), Cluster: view, Settings: settings}
	for _, p := range a.agents.Ask(ctx, view.Members) {
		v.Peers = append(v.Peers, decide.Peer{
			Name: p.Name, Reachable: p.Reachable, Err: p.Err, Primary: p.Primary, Position: p.Position, Timeline: p.Timeline,
			NoFailover: p.NoFailover, FailoverPriority: p.FailoverPriority, WatchdogFailed: p.WatchdogFailed,
			Lagging: decide.LagsBehind(p.Rule),
		})
	}
	return decide.WhatIf(v, down...)
}

// told is an outcome in words.
func told(view *cluster.Cluster, out decide.Outcome, down []string) string {
	var b strings.Builder
	switch {
	case out.Leader == "":
		b.WriteString("  nobody would lead: no writes until a person acts\n")
	case out.Leader == view.LeaderName():
		fmt.Fprintf(&b, "  %s would go on leading\n", out.Leader)
	default:
		fmt.Fprintf(&b, "  %s would lead\n", out.Leader)
	}
	if slices.Contains(down, view.LeaderName()) && out.Leader != "" {
		settings, _ := cluster.ParseSettings(view.Config.Object)
		switch {
		case out.AtRisk == 0:
			b.WriteString("  it has all that the leader is known to have written\n")
		case settings.Synchronous():
			fmt.Fprintf(&b, "  %s of log would be lost, none of it confirmed to clients\n", bytesText(int64(out.AtRisk)))
		default:
			fmt.Fprintf(&b, "  up to %s of log would be lost\n", bytesText(int64(out.AtRisk)))
		}
	}
	for _, f := range out.Fates {
		if !f.Leads && f.Name != out.Leader {
			fmt.Fprintf(&b, "  %s could not lead: %s\n", f.Name, f.Reason)
		}
	}
	return b.String()
}

// forecast adds what the loss of the leader would mean to a status screen.
func (a *app) forecast(ctx context.Context, b *strings.Builder, p picture) {
	leader := p.view.LeaderName()
	if leader == "" {
		return
	}
	out := a.imagine(ctx, p.view, []string{leader})
	fmt.Fprintf(b, "If %s went down now\n%s", leader, told(p.view, out, []string{leader}))
}
