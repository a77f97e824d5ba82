package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/rest/client"
)

// version, commit and date are set by the linker.
var (
	version = "dev"
	commit  = "unknown"
	date    = "unknown"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := command(os.Stdout).ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

// tool is one invocation.
type tool struct {
	out                     io.Writer
	api, username, password string
}

func command(out io.Writer) *cobra.Command {
	t := &tool{out: out}
	c := &cobra.Command{
		Use: "pgregentctl", Short: "look at a PostgreSQL cluster and operate it, through the REST API of a member",
		Version:       fmt.Sprintf("%s (commit %s of %s, %s)", version, commit, date, runtime.Version()),
		SilenceErrors: true, SilenceUsage: true,
	}
	f := c.PersistentFlags()
	f.StringVar(&t.api, "api", os.Getenv("PGREGENTCTL_API"), "REST address of a member, http://host:port")
	f.StringVar(&t.username, "username", os.Getenv("PGREGENTCTL_USERNAME"), "user name for calls that change something")
	f.StringVar(&t.password, "password", os.Getenv("PGREGENTCTL_PASSWORD"), "its password; the environment keeps it out of the process list")
	c.AddCommand(t.list(), t.showConfig(),
		t.handover("switchover", "hand the leadership over in order", (*client.Client).Switchover),
		t.handover("failover", "make a member the leader, also without a healthy leader", (*client.Client).Failover),
		t.order("restart", "restart the member's PostgreSQL", func(ctx context.Context, c *client.Client, api string) (client.Reply, error) {
			return c.Restart(ctx, api, client.Restart{})
		}),
		t.order("reload", "let the member read its configuration again", func(ctx context.Context, c *client.Client, api string) (client.Reply, error) {
			return c.Reload(ctx, api)
		}),
		t.order("reinit", "replace the member's data by a fresh copy of the leader", func(ctx context.Context, c *client.Client, api string) (client.Reply, error) {
			return c.Reinitialize(ctx, api, false, false)
		}))
	return c
}

func (t *tool) client() (*client.Client, string, error) {
	if t.api == "" {
		return nil, "", errors.New("which member? give --api http://host:port or set PGREGENTCTL_API")
	}
	return client.New(client.Options{Username: t.username, Password: t.password}), strings.TrimRight(t.api, "/") + "/patroni", nil
}

// list prints the members as a table.
func (t *tool) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "show the members", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, api, err := t.client()
			if err != nil {
				return err
			}
			doc, err := c.Cluster(cmd.Context(), api)
			if err != nil {
				return fmt.Errorf("read the cluster: %w", err)
			}
			return printMembers(t.out, doc)
		},
	}
}

func printMembers(out io.Writer, doc *cluster.Object) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MEMBER\tHOST\tROLE\tSTATE\tTL\tLAG")
	list, _ := doc.Get("members").([]any)
	for _, v := range list {
		m, ok := v.(*cluster.Object)
		if !ok {
			continue
		}
		fmt.Fprintf(w, "%s\t%s:%s\t%s\t%s\t%s\t%s\n", text(m, "name"), text(m, "host"), text(m, "port"), text(m, "role"), text(m, "state"), text(m, "timeline"), text(m, "lag"))
	}
	if doc.Get("pause") == true {
		fmt.Fprintln(w, "Maintenance mode: on")
	}
	return w.Flush()
}

func text(o *cluster.Object, key string) string {
	if !o.Has(key) {
		return ""
	}
	return cluster.Text(o.Get(key))
}

func (t *tool) showConfig() *cobra.Command {
	return &cobra.Command{
		Use: "show-config", Short: "print the dynamic configuration as JSON", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, api, err := t.client()
			if err != nil {
				return err
			}
			o, err := c.GetConfig(cmd.Context(), api)
			if err != nil {
				return fmt.Errorf("read the configuration: %w", err)
			}
			_, err = fmt.Fprintln(t.out, o)
			return err
		},
	}
}

type handoverCall func(*client.Client, context.Context, string, client.Handover) (client.Reply, error)

func (t *tool) handover(name, short string, call handoverCall) *cobra.Command {
	var h client.Handover
	c := &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, api, err := t.client()
			if err != nil {
				return err
			}
			return t.report(call(c, cmd.Context(), api, h))
		},
	}
	c.Flags().StringVar(&h.Leader, "leader", "", "the present leader")
	c.Flags().StringVar(&h.Candidate, "candidate", "", "the member that should lead")
	return c
}

func (t *tool) order(name, short string, call func(context.Context, *client.Client, string) (client.Reply, error)) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, api, err := t.client()
			if err != nil {
				return err
			}
			return t.report(call(cmd.Context(), c, api))
		},
	}
}

// report prints what the member said and fails if it refused.
func (t *tool) report(r client.Reply, err error) error {
	if err != nil {
		return err
	}
	if !r.OK() {
		return fmt.Errorf("refused with %d: %s", r.Code, r.Text)
	}
	_, err = fmt.Fprintln(t.out, r.Text)
	return err
}
