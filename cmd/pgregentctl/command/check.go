package command

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/pgregent/pgregent/plugins/sdk/conformance"
)

// check is one check of a plugin that runs; it implements conformance.T.
type check struct {
	ctx             context.Context
	failed, skipped bool
	lines           []string
	after           []func()
}

// runCheck runs a check to its end, in a goroutine that the check may leave.
func runCheck(ctx context.Context, do func(conformance.T)) *check {
	ctx, cancel := context.WithCancel(ctx)
	t := &check{ctx: ctx}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			cancel()
			for _, f := range slices.Backward(t.after) {
				f()
			}
		}()
		do(t)
	}()
	<-done
	return t
}

func (t *check) say(text string)              { t.lines = append(t.lines, text) }
func (t *check) Helper()                      {}
func (t *check) Error(args ...any)            { t.failed = true; t.say(fmt.Sprint(args...)) }
func (t *check) Errorf(f string, args ...any) { t.Error(fmt.Sprintf(f, args...)) }
func (t *check) Fatal(args ...any)            { t.Error(args...); runtime.Goexit() }
func (t *check) Fatalf(f string, args ...any) { t.Fatal(fmt.Sprintf(f, args...)) }
func (t *check) Skip(args ...any)             { t.skipped = true; t.say(fmt.Sprint(args...)); runtime.Goexit() }
func (t *check) Skipf(f string, args ...any)  { t.Skip(fmt.Sprintf(f, args...)) }
func (t *check) Cleanup(f func())             { t.after = append(t.after, f) }
func (t *check) Context() context.Context     { return t.ctx }
