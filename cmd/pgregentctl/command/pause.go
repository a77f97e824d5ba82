package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/access"
	"github.com/pgregent/pgregent/core/cluster"
)

func (a *app) pause() *cobra.Command {
	return a.toggle("pause", "Let nothing happen by itself: no failover, no restart", true)
}

func (a *app) resume() *cobra.Command {
	return a.toggle("resume", "End the pause", false)
}

func (a *app) toggle(name, short string, on bool) *cobra.Command {
	var wait bool
	c := &cobra.Command{
		Use: name + " [CLUSTER_NAME]", Short: short,
		Args: atMost(1), ValidArgsFunction: a.completeClusters,
		RunE: func(c *cobra.Command, args []string) error { return a.setPause(c.Context(), on, wait, args) },
	}
	c.Flags().BoolVar(&wait, "wait", false, "wait until all members have noticed")
	a.addGroup(c)
	return c
}

func (a *app) setPause(ctx context.Context, on, wait bool, args []string) error {
	k, view, err := a.open(ctx, args)
	if err != nil {
		return err
	}
	settings, _ := cluster.ParseSettings(view.Config.Object)
	switch {
	case on && settings.Pause:
		return words("Cluster is already paused")
	case !on && !settings.Pause:
		return words("Cluster is not paused")
	}
	verb, past, patch := "resume", "resumed", `{"pause": null}`
	if on {
		verb, past, patch = "pause", "paused", `{"pause": true}`
	}
	for _, m := range reachable(view) {
		reply, err := a.order(ctx, http.MethodPatch, m, "/config", []byte(patch), orderLimit)
		if errors.Is(err, context.Canceled) {
			return err
		}
		if err != nil {
			a.Warn("Member %s is not accessible: %v", m.Name, err)
			continue
		}
		if reply.Code != http.StatusOK {
			a.refused = true
			a.Printf("Failed: %s cluster management status code=%d, (%s)", verb, reply.Code, reply.Text)
			a.hint(reply)
			return nil
		}
		if wait {
			return a.awaitPause(ctx, k, view, on, verb, past)
		}
		a.Printf("Success: cluster management is %s", past)
		return nil
	}
	return words("Can not find accessible cluster member")
}

// awaitPause waits until the members that were there have told in their keys
// that they know.
func (a *app) awaitPause(ctx context.Context, k *access.Cluster, before *cluster.Cluster, on bool, verb, past string) error {
	a.Printf("'%s' request sent, waiting until it is recognized by all nodes", verb)
	settings, _ := cluster.ParseSettings(before.Config.Object)
	limit := settings.LoopWait + time.Second
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		now, err := k.Read(ctx)
		if err != nil {
			return err
		}
		missing := unaware(before, now, on)
		if len(missing) == 0 {
			a.Printf("Success: cluster management is %s", past)
			return nil
		}
		select {
		case <-k.Changed():
		case <-time.After(time.Second): // member keys of others are not watched one by one
		case <-late.C:
			a.Printf("%s members didn't recognized pause state after %d seconds", strings.Join(missing, ", "), int(limit.Seconds())) // scripts know the words
			return nil
		case <-ctx.Done():
			return context.Canceled
		}
	}
}

// unaware are the members that have not noticed yet.
func unaware(before, now *cluster.Cluster, on bool) []string {
	var list []string
	for _, m := range before.Members {
		if at := now.Member(m.Name); m.Data.APIURL != "" && at != nil && at.Data.Pause != on {
			list = append(list, m.Name)
		}
	}
	slices.Sort(list)
	return list
}

func (a *app) remove() *cobra.Command {
	format := "pretty"
	c := &cobra.Command{
		Use: "remove CLUSTER_NAME", Short: "Delete everything that ZooKeeper knows of a cluster",
		Args: needsCluster(0), ValidArgsFunction: a.completeClusters,
		RunE: func(c *cobra.Command, args []string) error { return a.runRemove(c.Context(), format, args) },
	}
	a.addFormat(c, &format, "f")
	a.addGroup(c)
	return c
}

func (a *app) runRemove(ctx context.Context, format string, args []string) error {
	k, view, err := a.open(ctx, args)
	if err != nil {
		return err
	}
	a.printMembers(k, view, format)
	for _, q := range []struct{ question, want, no string }{
		{"Please confirm the cluster name to remove", k.Name, "Cluster names specified do not match"},
		{
			"You are about to remove all information in DCS for " + k.Name + `, please type: "Yes I am aware"`,
			"Yes I am aware", `You did not exactly type "Yes I am aware"`,
		},
		{
			"This cluster currently is healthy. Please specify the leader name to continue",
			view.LeaderName(), "You did not specify the current leader of the cluster",
		},
	} {
		if q.want == "" {
			continue // nobody leads
		}
		answer, err := a.Require(ctx, q.question)
		if err != nil {
			return err
		}
		if answer != q.want {
			return errors.New(q.no)
		}
	}
	if err := k.Remove(ctx); err != nil {
		return fmt.Errorf("not everything may be gone: %w", err)
	}
	return nil
}
