package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/pgregent/pgregent/cmd/pgregentctl/command"
)

// version, commit and date are set by the linker.
var (
	version = "dev"
	commit  = "unknown"
	date    = "unknown"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	code := command.Run(ctx, command.Process{
		Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Environ: os.Environ(),
		Version: fmt.Sprintf("%s (commit %s of %s, %s)", version, commit, date, runtime.Version()), Date: date,
	})
	stop()
	os.Exit(code)
}
