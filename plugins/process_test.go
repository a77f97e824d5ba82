package plugins

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sys/unix"

	"github.com/pgregent/pgregent/plugins/proto"
	"github.com/pgregent/pgregent/plugins/script"
	"github.com/pgregent/pgregent/plugins/sdk"
)

// TestMain makes this program a plugin when it is started as one.
func TestMain(m *testing.M) {
	if os.Getenv(proto.CookieKey) != "" && len(os.Args) > 1 {
		behave(os.Args[1])
		return
	}
	os.Exit(m.Run())
}

// settings of the plugin under test.
type settings struct {
	Marker string `plugin:"marker" help:"a file to write"`
	Token  string `plugin:"token,secret" help:"a secret"`
	Count  int    `plugin:"count" help:"a number"`
}

// behave is a plugin with the habit of that name.
func behave(habit string) {
	switch habit {
	case "garbage":
		fmt.Println("Hello, I am not a plugin at all")
		time.Sleep(time.Minute)
	case "silent":
		time.Sleep(time.Minute)
	case "exits":
		fmt.Fprintln(os.Stderr, "cannot find my library")
		os.Exit(3)
	case "panics-the-host":
		fmt.Fprintln(os.Stderr, `{"@message":1}`)
		fmt.Fprintln(os.Stderr, `{"@message":"x","@level":{},"@timestamp":[]}`)
		fmt.Fprintln(os.Stderr, `{"@level":"info"}`)
		fmt.Fprintln(os.Stderr, `{"@message":"fine","@level":"warn","@timestamp":"2026-01-02T15:04:05.000000Z","n":1}`)
	case "floods":
		flood()
	case "version":
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig:  sdk.Handshake(),
			VersionedPlugins: map[int]plugin.PluginSet{99: {proto.ServiceName: sdk.Served(sdk.Plugin{Name: "future"})}},
			GRPCServer:       plugin.DefaultGRPCServer, Logger: hclog.NewNullLogger(),
		})
		return
	}
	s := &settings{}
	b := &builder{habit: habit, s: s}
	sdk.Serve(sdk.Plugin{Name: "test", Version: "1.2", Settings: s, Replica: b, Bootstrap: b, Callback: b, Router: b})
}

// flood writes much, with a line of 4 MB on standard output, too.
func flood() {
	long, out := strings.Repeat("x", 1<<20), os.Stderr // Serve puts another in its place
	go func() {
		for range 30 {
			fmt.Fprintln(out, long)
		}
		for i := range 20_000 {
			fmt.Fprintln(out, "line", i)
		}
		fmt.Fprintln(os.Stdout, "printed while it works", long)
	}()
}

// builder has the habits that show while it works.
type builder struct {
	habit string
	s     *settings
}

func (b *builder) Plan(context.Context, sdk.Build) (sdk.Plan, error) {
	return sdk.Plan{BytesTotal: 100, KeepData: b.habit == "keeps"}, nil
}

func (b *builder) Run(ctx context.Context, w sdk.Build, p *sdk.Progress) error {
	if b.habit == "traces" {
		return note(b.s.Marker, "build "+seen(ctx))
	}
	p.Report("copy", 50, 100, "half-way")
	switch b.habit {
	case "hangs":
		<-ctx.Done()
		return ctx.Err()
	case "ignores-cancel":
		time.Sleep(time.Minute)
	case "child":
		return script.Run(ctx, script.Command{Line: `sh -c 'echo $$ >` + b.s.Marker + `.tmp; mv ` + b.s.Marker + `.tmp ` + b.s.Marker + `; sleep 60'`})
	case "crashes":
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	case "fails":
		return fmt.Errorf("no backup of %s found", w.Cluster)
	case "panics":
		panic("a bug")
	}
	if b.s.Marker != "" {
		if err := os.WriteFile(b.s.Marker, []byte(strings.Join(os.Environ(), "\n")), 0o600); err != nil {
			return err
		}
	}
	p.Report("copy", 100, 100, "done")
	return nil
}

func (b *builder) Notify(ctx context.Context, e sdk.Event) error {
	if b.habit == "hangs" {
		<-ctx.Done()
		return ctx.Err()
	}
	if b.habit == "crashes" {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	if b.habit == "traces" {
		slog.InfoContext(ctx, "traced")
		return note(b.s.Marker, "event "+seen(ctx))
	}
	return note(b.s.Marker, fmt.Sprintf("%s %s %d\n", e.Action, e.Role, e.Epoch))
}

// seen is the span that a call is below.
func seen(ctx context.Context) string {
	s := trace.SpanContextFromContext(ctx)
	return s.TraceID().String() + " " + s.SpanID().String() + "\n"
}

func (b *builder) Update(ctx context.Context, r sdk.Route) error {
	if b.habit == "traces" {
		return note(b.s.Marker, "route "+seen(ctx))
	}
	name := "-"
	if r.Primary != nil {
		name = r.Primary.Name
	}
	return note(b.s.Marker, fmt.Sprintf("update %s %d\n", name, r.Epoch))
}

func (b *builder) Drain(_ context.Context, r sdk.Route) error {
	return note(b.s.Marker, fmt.Sprintf("drain %s %d\n", r.Primary.Name, r.Epoch))
}

func note(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return err
}

// self is this test program as a plugin.
func self(t testing.TB, habit string) Spec {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Spec{Name: habit, Command: []string{path, habit}, Trusted: true, StartTimeout: 10 * time.Second}
}

// logs collects what is logged.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newLauncher(t testing.TB) (*launcher, *logs) {
	t.Helper()
	dir, err := os.MkdirTemp("", "plug") // short: a socket path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	out := &logs{}
	return &launcher{
		log: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug})), dir: dir, cluster: "c", node: "n",
	}, out
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

func TestLaunchAgreesAndConfigures(t *testing.T) {
	l, _ := newLauncher(t)
	s := self(t, "well")
	for range 2 { // a second start of the same pinned program must work, too
		text, err := os.ReadFile(s.Command[0])
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		s.Trusted, s.SHA256 = false, hex.EncodeToString(sum[:])
		s.Command[0] = trusted(t, s.Command[0])
		p, err := l.launch(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if p.info.Name != "test" || p.info.Version != "1.2" || p.info.Protocol != 1 || len(p.info.Capabilities) != 4 || len(p.info.Settings) != 3 {
			t.Errorf("info: got %+v", p.info)
		}
		sockets, _ := filepath.Glob(filepath.Join(l.dir, "*", "*"))
		if len(sockets) == 0 {
			t.Error("no socket in the private directory")
		}
		p.kill()
		if pid, _ := strconv.Atoi(p.runner.ID()); script.Alive(pid, 0) {
			t.Error("the process is still there")
		}
	}
}

// trusted copies a program to where its parents are in order.
func trusted(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(copied, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return copied
}

func TestLaunchSaysWhatIsWrong(t *testing.T) {
	for habit, want := range map[string]string{
		"garbage": "Unrecognized remote plugin message: Hello, I am not a plugin",
		"silent":  "timeout while waiting for plugin to start",
		"exits":   "cannot find my library",
		"version": "incompatible API version with plugin. Plugin version: 99, Client versions: [1]",
	} {
		t.Run(habit, func(t *testing.T) {
			l, _ := newLauncher(t)
			s := self(t, habit)
			s.StartTimeout = 1500 * time.Millisecond
			var group int
			l.note = func(_ string, pgid int, _ bool) { group = pgid }
			_, err := l.launch(t.Context(), s)
			if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "plugin "+habit) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q in one line", err, want)
			}
			if _, alive := script.Group(group); alive {
				t.Error("the process is still there")
			}
		})
	}
}

func TestStderrCannotHarmTheHost(t *testing.T) {
	l, out := newLauncher(t)
	p, err := l.launch(t.Context(), self(t, "panics-the-host"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.kill()
	eventually(t, "the good line", func() bool { return strings.Contains(out.String(), "level=WARN msg=fine plugin=panics-the-host n=1") })
	if !strings.Contains(out.String(), `@message`) {
		t.Error("the bad lines are not shown")
	}
}

func TestAFloodIsBounded(t *testing.T) {
	l, out := newLauncher(t)
	p, err := l.launch(t.Context(), self(t, "floods"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.kill()
	eventually(t, "the note about dropped lines", func() bool { return strings.Contains(out.String(), "lines are dropped") })
	eventually(t, "what it prints", func() bool { return strings.Contains(out.String(), "printed while it works") })
	if n := len(out.String()); n > 8*maxFlood {
		t.Errorf("%d bytes in the log", n)
	}
	if _, err := proto.NewBaseClient(p.conn).Health(t.Context(), &proto.HealthRequest{}); err != nil {
		t.Errorf("the plugin does not answer any more: %v", err)
	}
}

func TestOnlyNamedVariablesAreSeen(t *testing.T) {
	l, _ := newLauncher(t)
	t.Setenv("PATRONI_SUPERUSER_PASSWORD", "hunter2")
	t.Setenv("SITE_OTHER", "no")
	t.Setenv("SITE_WANTED", "yes")
	marker := filepath.Join(t.TempDir(), "m")
	s := self(t, "well")
	s.Environment, s.Settings = []string{"SITE_WANTED", "EXTRA=1"}, fmt.Appendf(nil, `{"marker": %q}`, marker)
	p, err := l.launch(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer p.kill()
	if _, err := p.build(t.Context(), replicaKind, &proto.BuildRequest{Id: "1"}, func(*proto.Progress) {}); err != nil {
		t.Fatal(err)
	}
	env, err := os.ReadFile(marker)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"hunter2": false, "SITE_OTHER": false, "SITE_WANTED=yes": true, "EXTRA=1": true, "PATH=": true} {
		if got := strings.Contains(string(env), text); got != want {
			t.Errorf("%s in the environment: got %v, want %v", text, got, want)
		}
	}
}

func TestSettingsAreCheckedAndNotShown(t *testing.T) {
	l, _ := newLauncher(t)
	s := self(t, "well")
	s.Settings = []byte(`{"markr": 1, "count": "many", "token": {"a": "hunter2"}}`)
	_, err := l.launch(t.Context(), s)
	for _, want := range []string{"plugins.well.settings.markr: is not a setting", "settings.count: must be a whole number", "settings.token: must be text"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret is shown: %v", err)
	}
}

func TestStartIsGivenUpWithItsContext(t *testing.T) {
	l, _ := newLauncher(t)
	var mu sync.Mutex
	group, gone := 0, false
	l.note = func(_ string, pgid int, alive bool) { mu.Lock(); group, gone = pgid, !alive; mu.Unlock() }
	s := self(t, "silent")
	s.StartTimeout = 2 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := l.launch(ctx, s); err == nil {
		t.Error("got no error")
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v", took)
	}
	eventually(t, "the end of the process", func() bool { mu.Lock(); defer mu.Unlock(); return gone })
	mu.Lock()
	defer mu.Unlock()
	if _, alive := script.Group(group); alive {
		t.Error("the process is still there")
	}
}

func TestUntrustedPrograms(t *testing.T) {
	for name, c := range map[string]struct {
		prepare  func(dir, file string) error
		checksum string
		want     string
	}{
		"in order":                {func(string, string) error { return nil }, "", ""},
		"wrong checksum":          {func(string, string) error { return nil }, strings.Repeat("0", 64), "its SHA-256 is "},
		"writable file":           {func(_, f string) error { return os.Chmod(f, 0o777) }, "", "others can write"},
		"writable directory":      {func(d, _ string) error { return os.Chmod(d, 0o777) }, "", "others can write"},
		"sticky directory":        {func(d, _ string) error { return os.Chmod(d, 0o777|os.ModeSticky) }, "", ""},
		"not executable":          {func(_, f string) error { return os.Chmod(f, 0o644) }, "", "not an executable"},
		"of somebody else":        {func(_, f string) error { return os.Chown(f, 1234, 1234) }, "", "user id 1234"},
		"directory of a stranger": {func(d, _ string) error { return os.Chown(d, 1234, 1234) }, "", "user id 1234"},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(c.want, "user id") && os.Geteuid() != 0 {
				t.Skip("only root can give files away")
			}
			dir := t.TempDir()
			file := filepath.Join(dir, "p")
			if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := c.prepare(dir, file); err != nil {
				t.Fatal(err)
			}
			err := checkProgram(file, c.checksum)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v, want none", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}
