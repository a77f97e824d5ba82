package command

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/access"
	"github.com/pgregent/pgregent/core/cluster"
)

func (a *app) flush() *cobra.Command {
	role := roleAny
	c := &cobra.Command{
		Use: "flush CLUSTER_NAME [MEMBER_NAMES]... {restart|switchover}", Short: "Drop what is scheduled for later",
		Args: func(c *cobra.Command, args []string) error {
			if err := needsCluster(-1)(c, args); err != nil {
				return err
			}
			if len(args) < 2 {
				return usageError{words("Missing argument '{restart|switchover}'.\nTry '%s --help' for help.", c.CommandPath())}
			}
			if target := args[len(args)-1]; target != "restart" && target != "switchover" {
				return usageError{words("Invalid value for '{restart|switchover}': '%s' is not one of 'restart', 'switchover'.", target)}
			}
			return nil
		},
		ValidArgsFunction: a.completeFlush,
		RunE: func(c *cobra.Command, args []string) error {
			last := len(args) - 1
			if args[last] == "switchover" {
				return a.flushSwitchover(c.Context(), args[:1])
			}
			return a.flushRestarts(c.Context(), args[:last], role)
		},
	}
	addRole(c, &role, "only members of this role")
	a.addForce(c)
	a.addGroup(c)
	return c
}

func (a *app) flushRestarts(ctx context.Context, args []string, role string) error {
	k, view, err := a.open(ctx, args)
	if err != nil {
		return err
	}
	chosen, err := a.pick(k, view, args[1:], role)
	if err != nil {
		return err
	}
	if err := a.agree(ctx, "flush", chosen, ""); err != nil {
		return err
	}
	return a.each(chosen, func(m cluster.Member) error { return a.flushRestart(ctx, m) })
}

func (a *app) flushSwitchover(ctx context.Context, args []string) error {
	k, view, err := a.open(ctx, args)
	if err != nil {
		return err
	}
	if view.Failover.ScheduledAt.IsZero() {
		a.Println("No pending scheduled switchover")
		return nil
	}
	for _, m := range reachable(view) {
		reply, err := a.order(ctx, http.MethodDelete, m, "/switchover", nil, orderLimit)
		switch {
		case err != nil && ctx.Err() != nil:
			return context.Canceled
		case err != nil:
			a.Warn("Member %s is not accessible: %v", m.Name, err)
		case reply.Code == http.StatusOK:
			a.Printf("Success: %s", reply.Text)
			return nil
		case reply.Code == http.StatusNotFound:
			a.refused = true
			a.Printf("Failed: %s", reply.Text)
			return nil
		default:
			a.refused = true
			a.Printf("Failed: member=%s, status_code=%d, (%s)", m.Name, reply.Code, reply.Text)
		}
	}
	return a.flushInStore(ctx, k, view)
}

// flushInStore drops the request without an agent.
func (a *app) flushInStore(ctx context.Context, k *access.Cluster, view *cluster.Cluster) error {
	a.Warn("Failing over to DCS")
	if err := blankFailover(ctx, k, view.Failover.Version); err != nil {
		return err
	}
	a.Printf("%s Could not find any accessible member of cluster %s", a.stamp(), k.Name)
	return nil
}
