package builtin

import (
	"fmt"
	"slices"

	"github.com/pgregent/pgregent/plugins/builtin/basebackup"
	"github.com/pgregent/pgregent/plugins/builtin/exec"
	"github.com/pgregent/pgregent/plugins/builtin/haproxy"
	"github.com/pgregent/pgregent/plugins/builtin/pgbackrest"
	"github.com/pgregent/pgregent/plugins/builtin/webhook"
	"github.com/pgregent/pgregent/plugins/sdk"
)

// plugins makes the shipped plugins by name.
func plugins() map[string]func() sdk.Plugin {
	return map[string]func() sdk.Plugin{
		"basebackup": basebackup.New, "exec": exec.New, "pgbackrest": pgbackrest.New, "haproxy": haproxy.New, "webhook": webhook.New,
	}
}

// Names are the shipped plugins, sorted.
func Names() []string {
	var names []string
	for n := range plugins() {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// New makes the plugin of that name.
func New(name, version string) (sdk.Plugin, error) {
	f, ok := plugins()[name]
	if !ok {
		return sdk.Plugin{}, fmt.Errorf("there is no plugin %s; there are %v", name, Names())
	}
	p := f()
	p.Version = version
	return p, nil
}
