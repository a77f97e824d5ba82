package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/access"
	"github.com/pgregent/pgregent/cmd/pgregentctl/emit"
	"github.com/pgregent/pgregent/cmd/pgregentctl/show"
	"github.com/pgregent/pgregent/core/cluster"
)

// again is the pair of options that repeat a command.
type again struct {
	always bool
	every  float64
}

func (w *again) add(c *cobra.Command) {
	c.Flags().BoolVarP(&w.always, "repeat", "W", false, "print again every 2 seconds")
	c.Flags().Float64VarP(&w.every, "watch", "w", 0, "print again every so many `seconds`")
}

// run calls do once, or until it fails or the person ends it.
func (w *again) run(ctx context.Context, do func(again bool) error) error {
	pause := time.Duration(w.every * float64(time.Second))
	if pause <= 0 && w.always {
		pause = 2 * time.Second
	}
	for first := true; ; first = false {
		if err := do(!first); err != nil || pause <= 0 {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Canceled
		}
	}
}

// listing is one run of list or topology.
type listing struct {
	format              string
	extended, timestamp bool
	again               again
}

func (a *app) list() *cobra.Command {
	l := &listing{format: string(show.Pretty)}
	c := &cobra.Command{
		Use: "list [CLUSTER_NAMES]...", Short: "Show the members of clusters",
		ValidArgsFunction: a.completeClusters,
		RunE:              func(c *cobra.Command, args []string) error { return a.members(c.Context(), l, args) },
	}
	a.addFormat(c, &l.format, "f")
	c.Flags().BoolVarP(&l.extended, "extended", "e", false, "show the columns that are empty, too")
	c.Flags().BoolVarP(&l.timestamp, "timestamp", "t", false, "print the time first")
	l.again.add(c)
	a.addGroup(c)
	return c
}

func (a *app) topology() *cobra.Command {
	l := &listing{format: string(show.Topology)}
	c := &cobra.Command{
		Use: "topology [CLUSTER_NAMES]...", Short: "Show who replicates from whom",
		ValidArgsFunction: a.completeClusters,
		RunE:              func(c *cobra.Command, args []string) error { return a.members(c.Context(), l, args) },
	}
	l.again.add(c)
	a.addGroup(c)
	return c
}

// addFormat adds -f/--format. Old releases take any word, and print nothing
// for those that they do not know.
func (a *app) addFormat(c *cobra.Command, value *string, short string) {
	c.Flags().VarP(choice{value, append(show.Formats(), string(show.Topology))}, "format", short, "how to print")
	completeChoice(c, "format", show.Formats())
}

func (a *app) members(ctx context.Context, l *listing, names []string) error {
	if err := a.setUp(); err != nil {
		return err
	}
	if len(names) == 0 && a.config.Scope != "" {
		names = []string{a.config.Scope}
	}
	if len(names) == 0 {
		a.Warn("Listing members: No cluster names were provided")
		return nil
	}
	var open []*access.Cluster
	for _, name := range names {
		k, err := a.config.Open(ctx, name, a.group)
		if err != nil {
			return err
		}
		a.clusters = append(a.clusters, k)
		open = append(open, k)
	}
	return l.again.run(ctx, func(again bool) error {
		text := ""
		for _, k := range open {
			view, err := k.Read(ctx)
			if err != nil {
				return err
			}
			text += show.Members(view, k.Name, show.Format(l.format), a.look(k, l.extended))
		}
		if again {
			a.Clear()
		}
		if l.timestamp {
			a.Println(a.now().Format(time.DateTime))
		}
		a.Print(text)
		return nil
	})
}

func (a *app) history() *cobra.Command {
	format := string(show.Pretty)
	c := &cobra.Command{
		Use: "history [CLUSTER_NAME]", Short: "Show failovers and switchovers of the past",
		Args: atMost(1), ValidArgsFunction: a.completeClusters,
		RunE: func(c *cobra.Command, args []string) error {
			_, view, err := a.open(c.Context(), args)
			if err != nil {
				return err
			}
			a.Print(show.History(view.History, show.Format(format)))
			return nil
		},
	}
	a.addFormat(c, &format, "f")
	a.addGroup(c)
	return c
}

func (a *app) showConfig() *cobra.Command {
	c := &cobra.Command{
		Use: "show-config [CLUSTER_NAME]", Short: "Show the dynamic configuration",
		Args: atMost(1), ValidArgsFunction: a.completeClusters,
		RunE: func(c *cobra.Command, args []string) error {
			_, view, err := a.open(c.Context(), args)
			if err != nil {
				return err
			}
			if view.Config.Object != nil {
				a.Println(emit.YAML(view.Config.Object))
			}
			return nil
		},
	}
	a.addGroup(c)
	return c
}

func (a *app) printMembers(k *access.Cluster, view *cluster.Cluster, format string) {
	a.Print(show.Members(view, k.Name, show.Format(format), a.look(k, false)))
}
