package example

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/plugins"
	"github.com/pgregent/pgregent/plugins/sdk/plugintest"
)

// install does what the script says of its installation.
func install(t *testing.T) string {
	t.Helper()
	if err := exec.Command("/usr/bin/python3", "-c", "import grpc, google.protobuf").Run(); err != nil {
		t.Skip("Python has no gRPC; make test-deps installs it where the distribution has it")
	}
	dir, err := os.MkdirTemp("", "note") // short, and not writable by others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, args := range [][]string{
		{"protoc", "-I", "../proto", "--python_out=" + dir, "plugin.proto"},
		{"install", "note.py", dir},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	return filepath.Join(dir, "note.py")
}

func TestConformance(t *testing.T) {
	program := install(t)
	plugintest.Run(t, plugintest.Suite{Path: program, Settings: fmt.Sprintf(`{"file": %q}`, filepath.Join(t.TempDir(), "events"))})
}

// text collects what is logged.
type text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.Write(p)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String()
}

// The agent's host starts it like any other plugin: checked, over a private
// socket with mutual TLS, and told of events with their trace.
func TestUnderTheHost(t *testing.T) {
	program, file := install(t), filepath.Join(t.TempDir(), "events")
	spec := plugins.Spec{Name: "note", Command: []string{program}, Settings: fmt.Appendf(nil, `{"file": %q}`, file), StartTimeout: 20 * time.Second}
	logged := &text{}
	options := plugins.Options{
		Cluster: "main", Node: "n1", StateDir: t.TempDir(), Standing: []plugins.Spec{spec}, Logger: slog.New(slog.NewTextHandler(logged, nil)),
		Find:        func(string) (plugins.Spec, bool) { return spec, true },
		Callbacks:   func() map[string]string { return nil },
		PrimaryWord: func() string { return "primary" },
	}
	checker, err := plugins.NewChecker(plugins.Options{Cluster: "main", Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	defer checker.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if info, err := checker.Check(ctx, spec); err != nil || info.Name != "note" {
		t.Fatalf("check: %+v, %v", info, err)
	}
	wrong := spec
	wrong.Settings = []byte(`{"fiel": "x"}`)
	if _, err := checker.Check(ctx, wrong); err == nil || !strings.Contains(err.Error(), "plugins.note.settings.fiel: is not a setting") {
		t.Errorf("a wrong setting: got %v", err)
	}
	h, err := plugins.NewHost(options)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	h.Event(cluster.Event{Action: "on_start", Role: cluster.RolePrimary, At: time.Now(), TraceParent: parent})
	const line = "level=INFO msg=noted plugin=note action=on_start role=primary traceparent=" + parent
	for end := time.Now().Add(time.Minute); !strings.Contains(logged.String(), line); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the event did not arrive:\n%s", logged)
		}
	}
	if got, _ := os.ReadFile(file); string(got) != "on_start primary main\n" {
		t.Errorf("noted: got %q", got)
	}
}
