package postgres

import (
	"context"
	"errors"
	"os"
	"os/exec"

	shellquote "github.com/kballard/go-shellquote"

	"github.com/pgregent/pgregent/core/cluster"
)

// commands is a Site that runs commands and has no plugins.
type commands struct{}

// Run implements Site.
func (commands) Run(ctx context.Context, c cluster.Command) error {
	argv, err := shellquote.Split(c.Line)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, argv[0], append(argv[1:], c.Args...)...)
	cmd.Env = append(os.Environ(), c.Env...)
	return cmd.Run()
}

// Plan implements Site.
func (commands) Plan(context.Context, cluster.BuildSpec) (cluster.BuildPlan, error) {
	return cluster.BuildPlan{}, errors.New("there are no plugins")
}

// Build implements Site.
func (commands) Build(context.Context, cluster.BuildSpec, func(cluster.Build)) error {
	return errors.New("there are no plugins")
}
