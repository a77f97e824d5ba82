package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/console"
	"github.com/pgregent/pgregent/cmd/pgregentctl/scaffold"
	"github.com/pgregent/pgregent/cmd/pgregentctl/table"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/plugins"
	"github.com/pgregent/pgregent/plugins/sdk/conformance"
)

func (a *app) plugin() *cobra.Command {
	c := &cobra.Command{Use: "plugin", Short: "List, make and test plugins (+)", Args: func(c *cobra.Command, _ []string) error {
		return usageError{words("No such command.\nTry '%s --help' for help.", c.CommandPath())}
	}, RunE: func(*cobra.Command, []string) error { return nil }}
	c.AddCommand(a.pluginList(), a.pluginNew(), a.pluginTest())
	return c
}

func (a *app) pluginList() *cobra.Command {
	var agent string
	c := &cobra.Command{
		Use: "list", Short: "Start the configured plugins once, and tell what they are (+)",
		Long: "Start each plugin of an agent's file (-c) once, as the agent does when it starts: check its program, its checksum and its settings, and tell its version and what it serves.\nThe exit code is 1 if one of them would keep the agent from starting.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.listPlugins(c.Context(), agent) },
	}
	c.Flags().StringVar(&agent, "agent", "", "the agent's `program`, which has the shipped plugins; else the one beside this tool or in PATH")
	return c
}

func (a *app) pluginNew() *cobra.Command {
	var source string
	c := &cobra.Command{
		Use: "new NAME [DIRECTORY]", Short: "Write a new plugin: a Go module that builds and passes its tests (+)",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 {
				return usageError{words("Missing argument 'NAME'.\nTry '%s --help' for help.", c.CommandPath())}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return a.newPlugin(c.Context(), args, source) },
	}
	c.Flags().StringVar(&source, "source", "", "a `directory` with pgregent's source, instead of its released module")
	return c
}

func (a *app) pluginTest() *cobra.Command {
	var settings string
	c := &cobra.Command{
		Use: "test PROGRAM [ARGUMENTS]...", Short: "Check a plugin's program as the conformance suite does (+)",
		Long: "Start a plugin's program as the agent does, again and again, and check what the agent relies on: its description, its settings, its deadlines, that it ends when the agent does.\nThe exit code is 1 if a check fails. Nothing of the cluster is touched.",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{words("Missing argument 'PROGRAM'.\nTry '%s --help' for help.", c.CommandPath())}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return a.testPlugin(c.Context(), args, settings) },
	}
	c.Flags().StringVar(&settings, "settings", "", "the plugin's settings, a JSON `object`")
	c.Flags().SetInterspersed(false) // what follows the program is the program's
	return c
}

// agentProgram is the agent that belongs to this tool.
func agentProgram(named string) string {
	if named != "" {
		return named
	}
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), "pgregent"); isProgram(beside) {
			return beside
		}
	}
	if found, err := exec.LookPath("pgregent"); err == nil {
		return found
	}
	return "/usr/bin/pgregent"
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

func (a *app) listPlugins(ctx context.Context, agent string) error {
	local, err := a.agentFile()
	if err != nil {
		return err
	}
	if len(local.Plugins) == 0 {
		a.Printf("%s configures no plugins.", a.config.File)
		return nil
	}
	checker, err := plugins.NewChecker(plugins.Options{Cluster: local.Scope, Node: local.Name})
	if err != nil {
		return err
	}
	defer checker.Close()
	var rows [][]string
	var failed []error
	for _, p := range local.Plugins {
		row, err := describePlugin(ctx, checker, p, agentProgram(agent))
		rows = append(rows, row)
		if err != nil {
			failed = append(failed, err)
		}
	}
	columns := []table.Column{{Title: "Plugin"}, {Title: "Program"}, {Title: "Version"}, {Title: "Serves"}, {Title: "State"}}
	a.Print(table.Render("", columns, rows))
	return errors.Join(failed...)
}

// describePlugin starts a plugin once.
func describePlugin(ctx context.Context, checker *plugins.Host, p config.Plugin, agent string) ([]string, error) {
	program := p.Path
	if program == "" {
		program = "shipped: " + p.Type
	}
	spec, err := plugins.Configured(p, agent, false)
	var info plugins.Info
	if err == nil {
		info, err = checker.Check(ctx, spec)
	}
	var serves []string
	for _, c := range info.Capabilities {
		serves = append(serves, strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(c.String(), "CAPABILITY_"), "_", " ")))
	}
	state := "works"
	if err != nil {
		state = "cannot be used"
	}
	return []string{p.Name, program, info.Version, strings.Join(serves, ", "), state}, err
}

// released is a version that the module proxy has.
var released = regexp.MustCompile(`^v?\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?$`)

func (a *app) newPlugin(ctx context.Context, args []string, source string) error {
	p := scaffold.Plugin{Name: args[0], GoVersion: goVersion()}
	dir := args[len(args)-1]
	p.Version, _, _ = strings.Cut(a.process.Version, " ")
	if !released.MatchString(p.Version) {
		p.Version = "v0.0.0"
	} else if p.Version[0] != 'v' {
		p.Version = "v" + p.Version
	}
	if source != "" {
		var err error
		if p.Source, err = filepath.Abs(source); err != nil {
			return fmt.Errorf("find the source: %w", err)
		}
		p.Version = "v0.0.0"
	}
	if err := scaffold.Write(dir, p); err != nil {
		return err
	}
	tidy := exec.CommandContext(ctx, "go", "mod", "tidy")
	tidy.Dir, tidy.Stderr = dir, a.Err
	if err := tidy.Run(); err != nil {
		return fmt.Errorf("%s is written, but go mod tidy did not work there: %w", dir, err)
	}
	a.Printf("%s is ready: go test ./... there runs the conformance suite", dir)
	return nil
}

// goVersion is the language version for go.mod, that of this tool.
func goVersion() string {
	v := strings.TrimPrefix(runtime.Version(), "go")
	if i := strings.IndexAny(v, " -"); i > 0 {
		v = v[:i]
	}
	return v
}

func (a *app) testPlugin(ctx context.Context, args []string, settings string) error {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return fmt.Errorf("find the plugin: %w", err)
	}
	suite := conformance.Suite{Path: path, Args: args[1:], Settings: settings}
	failed := 0
	for _, c := range suite.Checks() {
		if ctx.Err() != nil {
			return context.Canceled
		}
		t := runCheck(ctx, c.Do)
		word, colour := "ok", console.Green
		switch {
		case t.failed:
			word, colour = "FAILED", console.Red
			failed++
		case t.skipped:
			word, colour = "skipped", console.Yellow
		}
		a.Printf("%s %s", a.Paint(colour, fmt.Sprintf("%-7s", word)), c.Name)
		for _, line := range t.lines {
			a.Printf("        %s", line)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}
