package basebackup

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/pgregent/pgregent/plugins/builtin/tool"
	"github.com/pgregent/pgregent/plugins/sdk"
)

// New makes the plugin.
func New() sdk.Plugin {
	return sdk.Plugin{Name: "basebackup", Replica: method{}}
}

type method struct{}

// Plan implements sdk.Builder.
func (method) Plan(_ context.Context, b sdk.Build) (sdk.Plan, error) {
	if b.Source == nil {
		return sdk.Plan{}, errors.New("pg_basebackup needs a running server to copy from")
	}
	return sdk.Plan{Message: "copy of " + b.Source.Name + " by pg_basebackup"}, nil
}

// Run implements sdk.Builder.
func (method) Run(ctx context.Context, b sdk.Build, p *sdk.Progress) error {
	if b.Source == nil {
		return errors.New("pg_basebackup needs a running server to copy from")
	}
	args := []string{
		"--pgdata=" + b.DataDir, "--wal-method=stream", "--no-password", "--progress", "--verbose", "--dbname=" + b.Source.Conninfo,
	}
	for _, o := range b.Options {
		switch {
		case o.Key == "progress" || o.Key == "verbose" || o.Key == "no-password":
		case o.Bare:
			args = append(args, "--"+o.Key)
		default:
			args = append(args, "--"+o.Key+"="+o.Value)
		}
	}
	env := append(os.Environ(), "LANG=C", "LC_ALL=C")
	if b.Source.PassFile != "" {
		env = append(env, "PGPASSFILE="+b.Source.PassFile)
	}
	w := &watch{p: p}
	err := tool.Run(ctx, tool.Tool{Path: program(b, "pg_basebackup"), Args: args, Env: env, Line: w.line})
	if err == nil {
		p.Report("done", w.total, w.total, "copied")
	}
	return err
}

// Verify implements sdk.Verifier.
func (method) Verify(_ context.Context, b sdk.Build) error {
	for _, name := range []string{"PG_VERSION", "global/pg_control", "backup_label"} {
		if _, err := os.Stat(filepath.Join(b.DataDir, name)); err != nil {
			return err
		}
	}
	return nil
}

// program is the path of one of PostgreSQL's programs.
func program(b sdk.Build, name string) string {
	if other := b.Programs[name]; other != "" {
		name = other
	}
	if b.BinDir == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(b.BinDir, name)
}

// watch reads what pg_basebackup says.
type watch struct {
	p           *sdk.Progress
	done, total int64
	phase       string
}

// amount is "12345/67890 kB (18%), 0/1 tablespace".
var amount = regexp.MustCompile(`^\s*(\d+)/(\d+) kB \(`)

// phases are what the messages of pg_basebackup begin.
var phases = []struct{ says, phase string }{
	{"waiting for checkpoint to complete", "checkpoint"},
	{"write-ahead log start point", "copy"},
	{"waiting for background process to finish streaming", "wal"},
	{"syncing data to disk", "sync"},
}

func (w *watch) line(text string) {
	if m := amount.FindStringSubmatch(text); m != nil {
		done, _ := strconv.ParseInt(m[1], 10, 64)
		total, _ := strconv.ParseInt(m[2], 10, 64)
		w.done, w.total = done<<10, max(total, done)<<10
		if w.phase == "" || w.phase == "checkpoint" {
			w.phase = "copy"
		}
		w.p.Report(w.phase, w.done, w.total, "")
		return
	}
	for _, ph := range phases {
		if strings.Contains(text, ph.says) {
			w.phase = ph.phase
			w.p.Report(w.phase, w.done, w.total, ph.says)
			return
		}
	}
	slog.Debug(strings.TrimPrefix(text, "pg_basebackup: "))
}
