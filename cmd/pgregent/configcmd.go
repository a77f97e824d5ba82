package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// configCommand is "pgregent config": what is set, and by what.
func configCommand() *cobra.Command {
	var path string
	var asJSON bool
	c := &cobra.Command{Use: "config", Short: "show the configuration: what is set, by which file and line, and what keys there are"}
	c.PersistentFlags().StringVarP(&path, "config", "c", os.Getenv("PGREGENT_CONFIG_FILE"), "configuration file or directory (default $PGREGENT_CONFIG_FILE)")
	explain := &cobra.Command{
		Use: "explain [KEY]", Short: "print the effective values, or that of KEY and those below it, and what set them",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return explainConfig(cmd.OutOrStdout(), path, strings.Join(args, ""), asJSON)
		},
	}
	explain.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.AddCommand(explain, &cobra.Command{
		Use: "keys", Short: "print the table of all keys", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return printKeys(cmd.OutOrStdout()) },
	})
	return c
}

func explainConfig(out io.Writer, path, key string, asJSON bool) error {
	local, _, err := config.Load(path, os.Environ())
	if err != nil {
		return err
	}
	settings := config.Under(local.Explain(knownDynamic(local)), key)
	if asJSON {
		return config.WriteSettings(out, settings)
	}
	if key != "" {
		return config.WriteExplanation(out, key, settings)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range settings {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Key, cut(s.Value), s.Where(), s.Note)
	}
	return w.Flush()
}

// knownDynamic is the dynamic configuration as far as it is known here: the
// copy in the data directory, or else what a new cluster would start with.
func knownDynamic(local *config.Local) config.Dynamic {
	pg, _ := local.Postgres(nil)
	file := filepath.Join(pg.DataDir, dynamicFile)
	if text, err := os.ReadFile(file); err == nil {
		if o, err := cluster.ParseObject(text); err == nil {
			return config.Dynamic{Object: o, Source: file}
		}
	}
	if local.Bootstrap != nil {
		return config.Dynamic{Object: local.Bootstrap.DCS}
	}
	return config.Dynamic{}
}

// explain tells the REST API what is in force now.
func (n *node) explain() []config.Setting {
	dynamic := config.Dynamic{Object: n.agent.Status().Dynamic, Source: "ZooKeeper"}
	if dynamic.Object == nil {
		dynamic = knownDynamic(n.local.Load())
	}
	return n.local.Load().Explain(dynamic)
}

// cut shortens a value to a column's width.
func cut(value string) string {
	const width = 50
	if r := []rune(value); len(r) > width {
		return string(r[:width]) + "..."
	}
	return value
}

func printKeys(out io.Writer) error {
	layer := map[config.Layer]string{config.InFile: "file", config.InStore: "dynamic", config.InBoth: "file, dynamic"}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tSET IN\tTAKES\tDEFAULT\tCHANGE\tMEANING")
	for k := range config.Keys() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.Path, layer[k.In], k.Type(), k.Default, k.Change, k.Doc)
	}
	return w.Flush()
}

// validateConfig prints all findings, one a line; errors make it fail. With
// show a valid configuration is printed.
func validateConfig(out io.Writer, path string, ignorePort, show bool) error {
	local, findings, err := config.Examine(path, os.Environ())
	if err != nil {
		return err
	}
	if local != nil {
		findings = withoutRepeats(findings, hostFindings(local, ignorePort))
	}
	failed := false
	for _, f := range findings {
		fmt.Fprintf(os.Stderr, "%s: %s\n", f.Severity, f)
		failed = failed || f.Severity == config.Error
	}
	switch {
	case failed:
		return errors.New("the configuration has errors")
	case show:
		_, err := out.Write(local.Print())
		return err
	}
	return nil
}

// hostFindings are those of this host and of the PostgreSQL installed on it.
func hostFindings(local *config.Local, ignorePort bool) []config.Finding {
	checks := []config.Check{config.ZooKeeperAnswers}
	if !ignorePort {
		checks = append(checks, config.PortsFree)
	}
	findings := append(local.Validate(checks...), checkParameters(local)...)
	if err := validatePlugins(local); err != nil {
		findings = append(findings, config.Finding{Severity: config.Error, Key: "plugins", Message: err.Error()})
	}
	return findings
}

// withoutRepeats adds further findings, but none about a key that is known to
// be wrong.
func withoutRepeats(findings, more []config.Finding) []config.Finding {
	wrong := map[string]bool{}
	for _, f := range findings {
		wrong[f.Key] = wrong[f.Key] || f.Severity == config.Error
	}
	for _, f := range more {
		if !wrong[f.Key] || f.Key == "" {
			findings = append(findings, f)
		}
	}
	config.SortFindings(findings)
	return findings
}
