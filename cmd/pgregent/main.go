package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/core/agent"
	"github.com/pgregent/pgregent/core/decide"
)

// version, commit and date are set by the linker.
var (
	version = "dev"
	commit  = "unknown"
	date    = "unknown"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := command().ExecuteContext(ctx)
	stop()
	if errors.Is(err, agent.ErrLeft) {
		os.Exit(exitLeft)
	}
	if err != nil {
		if text := err.Error(); text != "" {
			fmt.Fprintln(os.Stderr, text)
		}
		var usage usageError
		if errors.As(err, &usage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// usageError is a wrong command line, which exits with 2.
type usageError struct{ error }

func command() *cobra.Command {
	var o modes
	c := &cobra.Command{
		Use:           "pgregent CONFIG.yml",
		Short:         "high-availability agent for one PostgreSQL server",
		Version:       fmt.Sprintf("%s (commit %s of %s, %s)", version, commit, date, runtime.Version()),
		SilenceErrors: true, SilenceUsage: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("one configuration file expected, got %d", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			path := ""
			if len(args) == 1 {
				path = args[0]
			}
			if o.any() {
				return o.run(cmd, path)
			}
			return run(cmd.Context(), path)
		},
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	c.SetVersionTemplate("pgregent {{.Version}}\n")
	o.flags(c)
	c.AddCommand(configCommand(), &cobra.Command{
		Use: "fence [CONFIG.yml]", Short: "the process that stops PostgreSQL when the lease runs out; the agent starts it", Hidden: true,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return runFence(strings.Join(args, "")) },
	}, pluginCommand(), &cobra.Command{
		Use: "rules", Short: "print the table of decisions, in the order in which they are tried", Args: cobra.NoArgs,
		Run: func(*cobra.Command, []string) { printRules() },
	})
	return c
}

func printRules() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, r := range decide.Rules() {
		fmt.Fprintf(w, "%s\t%s\n", r.Name, r.Doc)
	}
	_ = w.Flush() // standard output went away: nobody to tell
}
