package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgregent/pgregent/cmd/pgregentctl/show"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/rest/client"
)

// explaining is one run of explain.
type explaining struct{ scope, member, file, format string }

func (a *app) explain() *cobra.Command {
	o := &explaining{format: string(show.Pretty)}
	c := &cobra.Command{
		Use: "explain KEY", Short: "Tell the value of a setting in force, and what set it (+)",
		Long: "Tell the value that a setting and those below it have on a member, and what set it: which file and line, which variable, the dynamic configuration, or a default; and what was overridden.\n" +
			"KEY is as in the files, as ttl or postgresql.parameters.work_mem. An agent is asked, the leader unless --member names another; with --file the file of an agent is read instead, and the dynamic configuration in ZooKeeper. Secrets are never shown.",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{words("Missing argument 'KEY'.\nTry '%s --help' for help.", c.CommandPath())}
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return settingNames(args), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error { return a.runExplain(c.Context(), o, args[0]) },
	}
	f := c.Flags()
	f.StringVar(&o.scope, "cluster", "", "the `name` of the cluster")
	f.StringVarP(&o.member, "member", "m", "", "the `name` of the member to ask")
	f.StringVar(&o.file, "file", "", "the `file` or directory of an agent, instead of an agent")
	f.VarP(choice{&o.format, []string{string(show.Pretty), string(show.JSON)}}, "format", "f", "how to print")
	completeChoice(c, "format", []string{string(show.Pretty), string(show.JSON)})
	_ = c.RegisterFlagCompletionFunc("member", func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return a.memberNames(c, clusterArg(o.scope)), cobra.ShellCompDirectiveNoFileComp
	}) // the flag exists
	a.addGroup(c)
	return c
}

// settingNames are proposed for completion.
func settingNames(args []string) []string {
	if len(args) > 0 {
		return nil
	}
	var names []string
	for k := range config.Keys() {
		names = append(names, k.Path+"\t"+k.Doc)
	}
	return names
}

func (a *app) runExplain(ctx context.Context, o *explaining, key string) error {
	var settings []config.Setting
	var err error
	if o.file != "" {
		settings, err = a.explainFile(ctx, o, key)
	} else {
		settings, err = a.askExplanation(ctx, o, key)
	}
	switch {
	case err != nil:
		return err
	case show.Format(o.format) == show.JSON:
		if settings == nil {
			settings = []config.Setting{}
		}
		return config.WriteSettings(a.Out, settings)
	}
	return config.WriteExplanation(a.Out, key, settings)
}

// explainFile reads an agent's file, and the dynamic configuration from
// ZooKeeper, or, where that does not answer, what a new cluster begins with.
func (a *app) explainFile(ctx context.Context, o *explaining, key string) ([]config.Setting, error) {
	local, _, err := config.Load(o.file, a.process.Environ)
	if err != nil {
		return nil, err
	}
	scope := o.scope
	if scope == "" {
		scope = local.Scope
	}
	if a.options.ConfigFile == "" && a.options.DCS == "" {
		a.options.ConfigFile = o.file
	}
	dynamic := config.Dynamic{Source: "ZooKeeper"}
	_, view, err := a.open(ctx, []string{scope})
	if err == nil {
		dynamic.Object = view.Config.Object
	}
	if dynamic.Object == nil {
		if err != nil {
			a.Warn("Without the dynamic configuration: %v", err)
		}
		dynamic = config.Dynamic{}
		if local.Bootstrap != nil {
			dynamic.Object = local.Bootstrap.DCS
		}
	}
	return config.Under(local.Explain(dynamic), key), nil
}

// askExplanation asks the member, or the leader, or else the first one that
// answers.
func (a *app) askExplanation(ctx context.Context, o *explaining, key string) ([]config.Setting, error) {
	k, view, err := a.open(ctx, clusterArg(o.scope))
	if err != nil {
		return nil, err
	}
	members := reachable(view)
	if o.member != "" {
		m := view.Member(o.member)
		if m == nil {
			return nil, fmt.Errorf("there is no member %s in cluster %s: it has %s", o.member, k.Name, listOr(names(view.Members), "none"))
		}
		members = []cluster.Member{*m}
	}
	var reasons []error
	for _, m := range members {
		settings, err := a.explanationOf(ctx, m, key)
		if err == nil {
			if show.Format(o.format) == show.Pretty {
				a.Printf("On %s:", m.Name)
			}
			return settings, nil
		}
		reasons = append(reasons, fmt.Errorf("%s: %w", m.Name, err))
	}
	if reasons == nil {
		reasons = append(reasons, errors.New("no member has told its REST address"))
	}
	return nil, fmt.Errorf("no agent can tell: %w. With --file the file of an agent can be read", errors.Join(reasons...))
}

func (a *app) explanationOf(ctx context.Context, m cluster.Member, key string) ([]config.Setting, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, statusLimit, fmt.Errorf("no answer within %v", statusLimit))
	defer cancel()
	reply, err := a.agents.Get(ctx, m.Data.APIURL, "/explain?"+url.Values{"key": {key}}.Encode())
	if err != nil {
		return nil, err
	}
	var settings []config.Setting
	switch reply.Code {
	case http.StatusOK:
	case http.StatusForbidden: // its own words say why
		return nil, fmt.Errorf("it refuses to tell its settings here: %s", strings.TrimSpace(reply.Text))
	case http.StatusUnauthorized:
		a.hint(reply)
		return nil, &client.StatusError{Reply: reply}
	default:
		return nil, fmt.Errorf("it does not explain its settings (its answer is %d)", reply.Code)
	}
	if err := json.NewDecoder(strings.NewReader(reply.Text)).Decode(&settings); err != nil {
		return nil, fmt.Errorf("read its answer: %w", err)
	}
	return settings, nil
}

// agentFile is the file of an agent on this host that the command line names,
// read in whole.
func (a *app) agentFile() (*config.Local, error) {
	if err := a.setUp(); err != nil {
		return nil, err
	}
	if a.config.File == "" || !a.config.Agent {
		return nil, errors.New("the file of an agent is needed: give it with -c, as pgregentctl -c /etc/pgregent/pgregent.yml")
	}
	local, _, err := config.Load(a.config.File, a.process.Environ)
	return local, err
}
