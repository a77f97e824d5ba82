package builtin

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pgregent/pgregent/plugins/proto"
	"github.com/pgregent/pgregent/plugins/sdk"
	"github.com/pgregent/pgregent/plugins/sdk/plugintest"
)

// TestMain makes this program a shipped plugin when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "plugin" {
		p, err := New(os.Args[2], "test")
		if err != nil {
			panic(err)
		}
		sdk.Serve(p)
		return
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	suites := map[string]plugintest.Suite{
		"basebackup": {},
		"exec": {
			Settings: `{"command": "sh -c 'sleep 0.3; touch ` + filepath.Join(dir, "made") + `'", "callback": "true"}`,
			Build:    &proto.BuildRequest{Id: "1", DataDir: dir, Cluster: "test"},
		},
		"pgbackrest": {Settings: `{"stanza": "main", "args": ["--type=none"]}`},
		"haproxy":    {Settings: `{"sockets": ["/nowhere/haproxy.sock"], "backend": "primary"}`},
		"webhook":    {Settings: `{"url": "http://127.0.0.1:1/", "secret": "s"}`},
	}
	for _, name := range Names() {
		s, ok := suites[name]
		if !ok {
			t.Errorf("%s is not tested", name)
			continue
		}
		s.Path, s.Args = path, []string{"plugin", name}
		t.Run(name, func(t *testing.T) { plugintest.Run(t, s) })
	}
}
