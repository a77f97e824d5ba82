package main

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/observability"
)

// openLog begins the log as the log section says. What PostgreSQL and the fence
// write goes to standard error all the same: they outlive the agent.
func (n *node) openLog(o config.Log) error {
	var out io.Writer = os.Stderr
	if o.Dir != "" {
		var err error
		n.file, err = observability.OpenLogFile(observability.LogFileOptions{
			Dir: o.Dir, Size: o.FileSize, Keep: o.FileNum, Mode: fs.FileMode(o.Mode), Queue: o.Queue, Fallback: os.Stderr,
		})
		if err != nil {
			return err
		}
		out = n.file
	}
	handler := observability.NewLogger(out, n.level, o.JSON).Handler()
	n.log = slog.New(observability.NewHandler(handler, n.incident, time.Now))
	for _, f := range o.Fields {
		n.log = n.log.With(f.Name, f.Value)
	}
	return nil
}

// incident is the trace of the change of leaders that goes on, "" if none does.
func (n *node) incident() string {
	if a := n.running.Load(); a != nil {
		return a.Incident()
	}
	return ""
}

// closeLog writes what waits, for a second at most.
func (n *node) closeLog() {
	if n.file == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), recordLimit)
	defer cancel()
	n.file.Close(ctx)
}
