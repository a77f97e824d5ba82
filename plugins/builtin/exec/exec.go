package exec

import (
	"context"
	"errors"

	"github.com/pgregent/pgregent/plugins/script"
	"github.com/pgregent/pgregent/plugins/sdk"
)

// settings of the plugin.
type settings struct {
	Command     string `plugin:"command" help:"command line of a replica method or bootstrap method"`
	Callback    string `plugin:"callback" help:"command line that is run for each event"`
	KeepData    bool   `plugin:"keep_data" help:"leave what is in the directory to the command"`
	NoParams    bool   `plugin:"no_params" help:"add no arguments to the command"`
	NoLeader    bool   `plugin:"no_leader" help:"the command needs no running server"`
	PrimaryWord string `plugin:"primary_word" help:"the word for a primary that callbacks get" choices:"primary,master"`
}

// New makes the plugin.
func New() sdk.Plugin {
	s := &settings{PrimaryWord: "primary"}
	return sdk.Plugin{Name: "exec", Settings: s, Replica: method{s, false}, Bootstrap: method{s, true}, Callback: callback{s}}
}

type method struct {
	s         *settings
	bootstrap bool
}

// Plan implements sdk.Builder.
func (m method) Plan(context.Context, sdk.Build) (sdk.Plan, error) {
	if m.s.Command == "" {
		return sdk.Plan{}, errors.New("the setting command is not set")
	}
	return sdk.Plan{KeepData: m.s.KeepData, NoSource: m.s.NoLeader, Message: "running the command of the configuration"}, nil
}

// Run implements sdk.Builder.
func (m method) Run(ctx context.Context, b sdk.Build, p *sdk.Progress) error {
	if m.s.Command == "" {
		return errors.New("the setting command is not set")
	}
	p.Report("command", 0, 0, "")
	c := script.Command{Line: m.s.Command, DataDir: b.DataDir, Grace: script.Grace}
	var options []string
	for _, o := range b.Options {
		options = append(options, "--"+o.Key+"="+o.Value)
	}
	switch {
	case m.s.NoParams:
		c.Args = options
	case m.bootstrap:
		c.Args = append([]string{"--scope=" + b.Cluster, "--datadir=" + b.DataDir}, options...)
	default:
		conninfo := ""
		if b.Source != nil {
			conninfo = b.Source.Conninfo
		}
		c.Args = append(options, "--scope="+b.Cluster, "--role=replica", "--datadir="+b.DataDir, "--connstring="+conninfo)
	}
	if b.Source != nil && b.Source.PassFile != "" {
		c.Env = []string{"PGPASSFILE=" + b.Source.PassFile}
	}
	return script.Run(ctx, c)
}

type callback struct{ s *settings }

// Notify implements sdk.Callback.
func (c callback) Notify(ctx context.Context, e sdk.Event) error {
	if c.s.Callback == "" {
		return nil
	}
	role := e.Role
	if role == "primary" {
		role = c.s.PrimaryWord
	}
	return script.Run(ctx, script.Command{Line: c.s.Callback, Args: []string{e.Action, role, e.Cluster}})
}
