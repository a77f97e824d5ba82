package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/core/cluster"
)

// completeLimit is how long a person waits for a proposal.
const completeLimit = time.Second

// completeClusters proposes the cluster of the configuration.
func (a *app) completeClusters(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if a.begin(c, nil) != nil || a.setUp() != nil || a.config.Scope == "" || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{a.config.Scope}, cobra.ShellCompDirectiveNoFileComp
}

// completeMembers proposes the cluster first and its members then.
func (a *app) completeMembers(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.completeClusters(c, args, word)
	}
	return a.memberNames(c, args[:1]), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeFlush(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	list, directive := a.completeMembers(c, args, word)
	if len(args) > 0 {
		list = append(list, "restart", "switchover")
	}
	return list, directive
}

func (a *app) completeMemberFlag(c *cobra.Command, flag string) {
	_ = c.RegisterFlagCompletionFunc(flag, func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return a.memberNames(c, args), cobra.ShellCompDirectiveNoFileComp
	}) // the flag exists
}

// memberNames are those of the cluster; none if it does not answer in time.
func (a *app) memberNames(c *cobra.Command, args []string) []string {
	if a.begin(c, nil) != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.Context(), completeLimit)
	defer cancel()
	_, view, err := a.open(ctx, args)
	if err != nil {
		return nil
	}
	return memberNames(view)
}

func memberNames(view *cluster.Cluster) []string { return names(view.Members) }
