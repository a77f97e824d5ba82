package haproxy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgregent/pgregent/plugins/sdk"
)

func TestCommands(t *testing.T) {
	for name, c := range map[string]struct {
		primary string
		list    []server
		want    []string
	}{
		"a new primary": {"b", []server{{"a", true, false}, {"b", false, false}}, []string{
			"set server db/b health up", "set server db/a health down", "shutdown sessions server db/a",
		}},
		"the old one was drained": {"b", []server{{"a", true, true}, {"b", false, false}}, []string{
			"set server db/b health up", "set server db/a health down", "set server db/a state ready", "shutdown sessions server db/a",
		}},
		"the primary itself was drained": {"a", []server{{"a", true, true}}, []string{
			"set server db/a state ready", "set server db/a health up",
		}},
		"no primary": {"", []server{{"a", true, false}, {"b", false, false}}, []string{
			"set server db/a health down", "shutdown sessions server db/a",
		}},
	} {
		if got := commands("db", c.primary, c.list); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// start runs a HAProxy with two servers whose checks fail, and returns its
// socket.
func start(t *testing.T) string {
	t.Helper()
	binary, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skip("haproxy is not installed; make deps installs it")
	}
	dir, err := os.MkdirTemp("", "hap")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket, file := filepath.Join(dir, "s"), filepath.Join(dir, "c")
	text := "global\n  stats socket " + socket + " mode 600 level admin\n  maxconn 20\ndefaults\n  mode tcp\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n" +
		"backend db\n  option httpchk\n  server a 127.0.0.1:1 check inter 1h\n  server b 127.0.0.1:2 check inter 1h\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-db", "-f", file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := (api{socket}).ask(t.Context(), "show info"); err == nil {
			return socket
		}
	}
	t.Fatal("HAProxy does not answer")
	return ""
}

func TestRouterOnHAProxy(t *testing.T) {
	socket := start(t)
	r := &router{s: &settings{Sockets: []string{socket}, Backend: "db", Servers: map[string]string{"node1": "a"}, Timeout: 5 * time.Second}}
	states := func() string {
		list, err := (api{socket}).servers(t.Context(), "db")
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, s := range list {
			word := s.name + " down"
			if s.up {
				word = s.name + " up"
			}
			if s.drained {
				word += " drained"
			}
			out = append(out, word)
		}
		return strings.Join(out, ", ")
	}
	one, two := &sdk.Endpoint{Name: "node1"}, &sdk.Endpoint{Name: "b"}
	for _, step := range []struct {
		name string
		do   func() error
		want string
	}{
		{"the first primary", func() error { return r.Update(t.Context(), sdk.Route{Epoch: 5, Primary: one}) }, "a up, b down"},
		{"drain before a switchover", func() error { return r.Drain(t.Context(), sdk.Route{Epoch: 5, Primary: one}) }, "a up drained, b down"},
		{"the next primary", func() error { return r.Update(t.Context(), sdk.Route{Epoch: 9, Primary: two}) }, "a down, b up"},
		{"a late push of the old one", func() error { return r.Update(t.Context(), sdk.Route{Epoch: 5, Primary: one}) }, "a down, b up"},
		{"a late drain", func() error { return r.Drain(t.Context(), sdk.Route{Epoch: 5, Primary: two}) }, "a down, b up"},
		{"its server has gone", func() error { return r.Update(t.Context(), sdk.Route{Epoch: 9}) }, "a down, b down"},
		{"it is back", func() error { return r.Update(t.Context(), sdk.Route{Epoch: 9, Primary: two}) }, "a down, b up"},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := states(); got != step.want {
			t.Errorf("%s: got %s, want %s", step.name, got, step.want)
		}
	}
	r.s.Backend = "nobody"
	if err := r.health(t.Context()); err == nil {
		t.Error("a backend that is not there counts as healthy")
	}
}
