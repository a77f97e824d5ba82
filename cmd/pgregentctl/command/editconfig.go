package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/access"
	"github.com/pgregent/pgregent/cmd/pgregentctl/console"
	"github.com/pgregent/pgregent/cmd/pgregentctl/emit"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// editing is one run of edit-config.
type editing struct {
	quiet, dryRun     bool
	set, parameters   []string
	apply, replace    string
	fromStandardInput bool
	cluster           string
}

func (a *app) editConfig() *cobra.Command {
	e := &editing{}
	c := &cobra.Command{
		Use: "edit-config [CLUSTER_NAME]", Short: "Change the dynamic configuration",
		Args: atMost(1), ValidArgsFunction: a.completeClusters,
		RunE: func(c *cobra.Command, args []string) error { return a.runEdit(c.Context(), e, args) },
	}
	f := c.Flags()
	f.BoolVarP(&e.quiet, "quiet", "q", false, "do not show what changes")
	f.StringArrayVarP(&e.set, "set", "s", nil, "set a `key=value`; the value is YAML, null removes the key")
	f.StringArrayVarP(&e.parameters, "pg", "p", nil, "set a PostgreSQL parameter, `name=value`")
	f.StringVar(&e.apply, "apply", "", "merge this YAML `file` into the configuration; - is the standard input")
	f.StringVar(&e.replace, "replace", "", "replace the configuration by this YAML `file`; - is the standard input")
	f.BoolVar(&e.dryRun, "dry-run", false, "show what would change and what agents would say to it, and write nothing (+)")
	a.addForce(c)
	a.addGroup(c)
	return c
}

func (a *app) runEdit(ctx context.Context, e *editing, args []string) error {
	k, view, err := a.open(ctx, args)
	if err != nil {
		return err
	}
	if view.Config.Version == cluster.NoVersion {
		return words("The config key does not exist in the cluster %s", k.Name)
	}
	before := &cluster.Object{}
	if view.Config.Object != nil {
		before = view.Config.Object
	}
	e.cluster = k.Name
	after, err := a.edited(ctx, e, before)
	if err != nil {
		return err
	}
	old, text := emit.YAML(before), emit.YAML(after)
	if old == text {
		if !e.quiet {
			a.Println("Not changed")
		}
		return nil
	}
	if !e.quiet {
		a.Print(a.paintDiff(unified(old, text)))
	}
	return a.write(ctx, e, k, view, after)
}

// write asks and writes, on condition that nobody else has written meanwhile.
func (a *app) write(ctx context.Context, e *editing, k *access.Cluster, view *cluster.Cluster, after *cluster.Object) error {
	if e.dryRun {
		_, warnings := cluster.ParseSettings(after)
		for _, w := range warnings {
			a.Println("Agents would warn: " + w)
		}
		a.Println("Nothing was written.")
		return nil
	}
	if e.fromStandardInput && !a.force {
		a.Println("Use --force option to apply changes")
		return nil
	}
	if !a.force {
		yes, err := a.Confirm(ctx, "Apply these changes?")
		if err != nil || !yes {
			return err
		}
	}
	err := k.SetConfig(ctx, after, view.Config.Version)
	switch {
	case errors.Is(err, cluster.ErrConflict):
		return words("Config modification aborted due to concurrent changes")
	case errors.Is(err, cluster.ErrOutcomeUnknown):
		return fmt.Errorf("%w: the change may have been written; look at pgregentctl show-config %s", err, k.Name)
	case err != nil:
		return err
	}
	a.Println("Configuration changed")
	return nil
}

// edited is the new document.
func (a *app) edited(ctx context.Context, e *editing, before *cluster.Object) (*cluster.Object, error) {
	after := before.Clone()
	if e.replace != "" {
		o, err := a.document(e, e.replace)
		if err != nil {
			return nil, err
		}
		after = o
	}
	if e.apply != "" {
		patch, err := a.document(e, e.apply)
		if err != nil {
			return nil, err
		}
		after.Patch(patch)
	}
	if err := setAll(after, e.set, e.parameters); err != nil {
		return nil, err
	}
	if e.replace == "" && e.apply == "" && len(e.set) == 0 && len(e.parameters) == 0 {
		return a.inEditor(ctx, e, before)
	}
	return after, nil
}

func (a *app) document(e *editing, name string) (*cluster.Object, error) {
	if name == "-" {
		e.fromStandardInput = true
	}
	text, err := a.readFile(name)
	if err != nil {
		return nil, err
	}
	o, err := config.ParseDocument(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return o, nil
}

// inEditor lets a person change the document.
func (a *app) inEditor(ctx context.Context, e *editing, before *cluster.Object) (*cluster.Object, error) {
	editor := a.editor()
	if editor == "" {
		return nil, words("EDITOR environment variable is not set. editor or vi are not available")
	}
	f, err := os.CreateTemp("", e.cluster+"-config-*.yaml")
	if err != nil {
		return nil, fmt.Errorf("make a file for the editor: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(emit.YAML(before))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, fmt.Errorf("write the file for the editor: %w", err)
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", editor+` "$1"`, "sh", f.Name())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.process.In, a.process.Out, a.process.Err
	if err := cmd.Run(); err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil, words("Editor exited with return code %d", exit.ExitCode())
		}
		return nil, fmt.Errorf("run the editor: %w", err)
	}
	return a.document(e, f.Name())
}

func (a *app) editor() string {
	for _, entry := range a.process.Environ {
		if value, ok := strings.CutPrefix(entry, "EDITOR="); ok && value != "" {
			return value
		}
	}
	for _, name := range []string{"editor", "vi"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// paintDiff colours added and removed lines.
func (a *app) paintDiff(diff string) string {
	if !a.Color {
		return diff
	}
	lines := strings.SplitAfter(diff, "\n")
	for i, l := range lines {
		text := strings.TrimSuffix(l, "\n")
		switch {
		case strings.HasPrefix(l, "+"):
			lines[i] = a.Paint(console.Green, text) + "\n"
		case strings.HasPrefix(l, "-"):
			lines[i] = a.Paint(console.Red, text) + "\n"
		}
	}
	return strings.Join(lines, "")
}
