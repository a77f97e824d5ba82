package plugins

import (
	"fmt"

	"github.com/pgregent/pgregent/core/config"
)

// Configured translates the configuration of a plugin. agent is the program
// of the agent, which has the shipped ones; trusted says that it needs no
// check, as the agent's own does not.
func Configured(p config.Plugin, agent string, trusted bool) (Spec, error) {
	s := Spec{
		Name: p.Name, Command: append([]string{p.Path}, p.Args...), SHA256: p.SHA256, Environment: p.Environment,
		StartTimeout: p.StartTimeout, CallTimeout: p.CallTimeout,
		Limits: Limits{Nice: p.Nice, IOClass: p.IOClass, IOLevel: p.IOLevel, Memory: p.Memory},
	}
	if p.Path == "" {
		s.Command, s.Trusted = []string{agent, "plugin", p.Type}, trusted
	}
	if p.Settings != nil {
		text, err := p.Settings.MarshalJSON()
		if err != nil {
			return s, fmt.Errorf("plugins.%s.settings: %w", p.Name, err)
		}
		s.Settings = text
	}
	return s, nil
}
