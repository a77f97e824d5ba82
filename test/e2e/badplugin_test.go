package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgregent/pgregent/plugins/proto"
	"github.com/pgregent/pgregent/plugins/sdk"
)

// asPlugin makes this test program a plugin when an agent has started it as
// one: its argument is a directory, where the file habit says how it misbehaves
// and where the file did gets a line for each time.
func asPlugin() bool {
	if os.Getenv(proto.CookieKey) == "" || len(os.Args) != 2 {
		return false
	}
	p := badPlugin{os.Args[1]}
	if p.habit("garbage") {
		p.note("garbage")
		fmt.Println("Hello, I am not a plugin at all")
		time.Sleep(time.Minute)
	}
	sdk.Serve(sdk.Plugin{Name: "bad", Version: "1", Replica: p, Callback: p})
	return true
}

// badPlugin behaves well until it is told otherwise.
type badPlugin struct{ dir string }

func (p badPlugin) habit(name string) bool {
	text, _ := os.ReadFile(filepath.Join(p.dir, "habit"))
	return strings.TrimSpace(string(text)) == name
}

func (p badPlugin) note(what string) {
	f, err := os.OpenFile(filepath.Join(p.dir, "did"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return // the test sees that the line is missing
	}
	_, _ = f.WriteString(what + "\n")
	_ = f.Close()
}

// Notify implements sdk.Callback.
func (p badPlugin) Notify(context.Context, sdk.Event) error {
	switch {
	case p.habit("crash"), p.habit("garbage"):
		p.note("crash")
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	case p.habit("flood"):
		p.note("flood")
		line := strings.Repeat("x", 1<<16)
		for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
			fmt.Fprintln(os.Stderr, line)
			fmt.Fprintln(os.Stdout, line)
		}
	case p.habit("hang"):
		p.note("hang")
		time.Sleep(time.Hour)
	}
	return nil
}

// Plan implements sdk.Builder.
func (p badPlugin) Plan(context.Context, sdk.Build) (sdk.Plan, error) { return sdk.Plan{}, nil }

// Run implements sdk.Builder. It leaves the work to the next method, at once or
// when it is killed: it does not look at ctx.
func (p badPlugin) Run(_ context.Context, _ sdk.Build, r *sdk.Progress) error {
	if p.habit("stubborn") {
		p.note("stubborn")
		r.Report("copy", 1, 2, "half-way, and no further")
		time.Sleep(time.Hour)
	}
	return errors.New("nothing is copied here")
}
