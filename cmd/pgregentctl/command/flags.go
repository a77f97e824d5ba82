package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// aliases are second names of options.
func aliases(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name {
	case "dcs":
		name = "dcs-url"
	case "primary", "master":
		name = "leader"
	}
	return pflag.NormalizedName(name)
}

// choice is an option with a fixed set of words.
type choice struct {
	value *string
	words []string
}

// Set implements pflag.Value.
func (c choice) Set(s string) error {
	if !slices.Contains(c.words, s) {
		return fmt.Errorf("it is not one of %s", strings.Join(c.words, ", "))
	}
	*c.value = s
	return nil
}

func (c choice) String() string { return *c.value }

// Type implements pflag.Value.
func (c choice) Type() string { return strings.Join(c.words, "|") }

func (a *app) addGroup(c *cobra.Command) {
	c.Flags().StringVar(&a.group, "group", "", "Citus `group`")
}

func (a *app) addForce(c *cobra.Command) {
	c.Flags().BoolVar(&a.force, "force", false, "do not ask for confirmation at any point")
}

// completeChoice offers the words of a choice.
func completeChoice(c *cobra.Command, flag string, words []string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
}

// atMost refuses further arguments.
func atMost(n int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > n {
			return usageError{words("Got unexpected extra argument (%s)", strings.Join(args[n:], " "))}
		}
		return nil
	}
}

// needsCluster wants the name of the cluster first, and lets n names follow
// (-1: any number).
func needsCluster(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError{words("Missing argument 'CLUSTER_NAME'.\nTry '%s --help' for help.", c.CommandPath())}
		}
		if n < 0 {
			return nil
		}
		return atMost(n+1)(c, args)
	}
}
