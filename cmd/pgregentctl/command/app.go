package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/access"
	"github.com/pgregent/pgregent/cmd/pgregentctl/console"
	"github.com/pgregent/pgregent/cmd/pgregentctl/show"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/rest/client"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3 // with --strict only
)

// Process is what a run of the tool gets from the operating system.
type Process struct {
	Args     []string
	In       io.Reader
	Out, Err io.Writer
	Environ  []string
	Version  string
	// Date is that of the build, for the manual.
	Date string
	// Now is the clock; nil: the host's.
	Now func() time.Time
	// Random makes the ids of traces; nil: the host's.
	Random io.Reader
}

// app is one run.
type app struct {
	*console.Console
	process  Process
	now      func() time.Time
	options  access.Options
	compat   string
	strict   bool
	level    show.Level
	group    string
	force    bool
	refused  bool
	worst    grade
	config   *access.Config
	agents   *client.Client
	clusters []*access.Cluster
	// trace is that of the orders, as agents have confirmed it.
	trace string
}

// usageError is a mistake in the command line.
type usageError struct{ error }

// Run executes the command line and returns the exit code.
func Run(ctx context.Context, p Process) int {
	a := &app{Console: console.New(p.In, p.Out, p.Err, p.Environ), process: p, now: p.Now}
	if a.now == nil {
		a.now = time.Now
	}
	root := a.root()
	root.SetArgs(p.Args)
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	err := root.ExecuteContext(ctx)
	a.tellTrace()
	a.close()
	return a.exit(ctx, err)
}

// exit tells what went wrong and returns the code for it.
func (a *app) exit(ctx context.Context, err error) int {
	var usage usageError
	switch {
	case err == nil && a.refused && a.strict:
		return exitRefused
	case err == nil:
		return exitOK
	case errors.Is(err, console.ErrAborted), ctx.Err() != nil && errors.Is(err, context.Canceled):
		a.Warn("Aborted!")
		return exitFailed
	case errors.As(err, &usage):
		a.Warn("Error: %v", err)
		return exitUsage
	}
	a.Warn("%s %v", a.Paint(console.Red, "Error:"), err)
	return exitFailed
}

func (a *app) close() {
	for _, c := range a.clusters {
		c.Close()
	}
	if a.agents != nil {
		a.agents.Close()
	}
}

// Root returns the tree of commands, for manuals.
func Root(version string) *cobra.Command {
	a := &app{Console: console.New(strings.NewReader(""), io.Discard, io.Discard, nil), now: time.Now, process: Process{Version: version}}
	return a.root()
}

func (a *app) root() *cobra.Command {
	c := &cobra.Command{
		Use: "pgregentctl", Short: "Look at PostgreSQL clusters of pgregent and Patroni and operate them",
		Long: `pgregentctl reads a cluster's state from ZooKeeper and gives orders through the REST API of its members.
Its commands, options, outputs and exit codes are those of patronictl; commands that patronictl lacks are marked (+).
Options of pgregentctl itself precede the command.`,
		SilenceErrors: true, SilenceUsage: true, TraverseChildren: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{words("Missing command.\nTry 'pgregentctl --help' for help.")}
			}
			return usageError{words("No such command '%s'.\nTry 'pgregentctl --help' for help.", args[0])}
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	f := c.Flags()
	f.StringVarP(&a.options.ConfigFile, "config-file", "c", "", "configuration `file` (also PGREGENTCTL_CONFIG_FILE, PATRONICTL_CONFIG_FILE)")
	f.StringVarP(&a.options.DCS, "dcs-url", "d", "", "`address` of the store, zookeeper://host:port[,host:port][/namespace] (also DCS_URL)")
	f.BoolVarP(&a.options.Insecure, "insecure", "k", false, "accept any certificate of an agent")
	f.StringVar(&a.compat, "compat", "", "print the columns and words of patronictl `release` 3.0, 3.1 or 4.1 (also PGREGENTCTL_COMPAT; default 4.1)")
	f.BoolVar(&a.strict, "strict", false, "exit with 3, not 0, when an agent refused an order")
	c.SetGlobalNormalizationFunc(aliases)
	c.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{words("%w\nTry '%s --help' for help.", err, cmd.CommandPath())}
	})
	c.PersistentPreRunE = a.begin
	c.AddCommand(a.list(), a.topology(), a.history(), a.showConfig(), a.dsn(), a.query(), a.version(),
		a.switchover(), a.failover(), a.restart(), a.reload(), a.reinit(), a.flush(), a.pause(), a.resume(),
		a.editConfig(), a.remove(), a.demoteCluster(), a.promoteCluster(),
		a.status(), a.watch(), a.whatIf(), a.failovers(), a.explain(), a.plugin(), a.doctor(), a.migrate(), a.manPages())
	c.InitDefaultHelpCmd()
	return c
}

// begin reads what the environment says about all commands.
func (a *app) begin(*cobra.Command, []string) error {
	a.options.Environ = a.process.Environ
	for _, e := range a.process.Environ {
		name, value, _ := strings.Cut(e, "=")
		switch {
		case name == "DCS_URL" && a.options.DCS == "":
			a.options.DCS = value
		case name == "PGREGENTCTL_COMPAT" && a.compat == "":
			a.compat = value
		}
	}
	level, err := show.ParseLevel(a.compat)
	if err != nil {
		return usageError{words("Invalid value for '--compat': %w", err)}
	}
	a.level = level
	return nil
}

// setUp reads the configuration, once.
func (a *app) setUp() error {
	if a.config != nil {
		return nil
	}
	c, err := access.Configure(a.options)
	if err != nil {
		return err
	}
	agents, err := c.Agents(a.traceParent())
	if err != nil {
		return err
	}
	a.config, a.agents = c, agents
	return nil
}

// open reads the cluster that the arguments name, or the configuration.
func (a *app) open(ctx context.Context, args []string) (*access.Cluster, *cluster.Cluster, error) {
	if err := a.setUp(); err != nil {
		return nil, nil, err
	}
	scope := a.config.Scope
	if len(args) > 0 {
		scope = args[0]
	}
	if scope == "" {
		return nil, nil, usageError{errors.New("which cluster? Name it as an argument, or set scope in the configuration file")}
	}
	k, err := a.config.Open(ctx, scope, a.group)
	if err != nil {
		return nil, nil, err
	}
	a.clusters = append(a.clusters, k)
	view, err := k.Read(ctx)
	return k, view, err
}

// table prints the members.
func (a *app) table(k *access.Cluster, view *cluster.Cluster) {
	a.Print(show.Members(view, k.Name, show.Pretty, a.look(k, false)))
}

func (a *app) look(k *access.Cluster, extended bool) show.Options {
	return show.Options{Level: a.level, Extended: extended, Group: k.Group}
}

// stamp is how Patroni's tool writes the time before an answer.
func (a *app) stamp() string {
	t := a.now()
	return t.Format("2006-01-02 15:04:05.") + fmt.Sprintf("%05d", t.Nanosecond()/10_000)
}
