package pgbackrest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strconv"

	"github.com/pgregent/pgregent/plugins/builtin/tool"
	"github.com/pgregent/pgregent/plugins/sdk"
)

// settings of the plugin.
type settings struct {
	Stanza  string   `plugin:"stanza,required" help:"the stanza to restore"`
	Command string   `plugin:"command" help:"the program"`
	Config  string   `plugin:"config" help:"pgBackRest's configuration file"`
	Delta   bool     `plugin:"delta" help:"keep files of an existing directory that are the same"`
	Args    []string `plugin:"args" help:"further options of restore, as --type=time"`
}

// New makes the plugin.
func New() sdk.Plugin {
	s := &settings{Command: "pgbackrest", Delta: true}
	return sdk.Plugin{Name: "pgbackrest", Settings: s, Replica: method{s, "standby"}, Bootstrap: method{s, ""}}
}

// method restores; kind is the type of recovery, "" for what the arguments
// say.
type method struct {
	s    *settings
	kind string
}

func (m method) args(more ...string) []string {
	args := []string{"--stanza=" + m.s.Stanza}
	if m.s.Config != "" {
		args = append(args, "--config="+m.s.Config)
	}
	return append(args, more...)
}

// Plan implements sdk.Builder.
func (m method) Plan(ctx context.Context, _ sdk.Build) (sdk.Plan, error) {
	size, label, err := m.newest(ctx)
	if err != nil {
		return sdk.Plan{}, err
	}
	return sdk.Plan{KeepData: m.s.Delta, NoSource: true, BytesTotal: size, Message: "restore of backup " + label}, nil
}

// stanza is what "pgbackrest info --output=json" says of one.
type stanza struct {
	Name   string `json:"name"`
	Status struct {
		Message string `json:"message"`
	} `json:"status"`
	Backup []struct {
		Label string `json:"label"`
		Info  struct {
			Size int64 `json:"size"`
		} `json:"info"`
	} `json:"backup"`
}

// newest is the size and the label of the newest backup.
func (m method) newest(ctx context.Context) (size int64, label string, err error) {
	cmd := exec.CommandContext(ctx, m.s.Command, m.args("--output=json", "--log-level-console=off", "--log-level-stderr=warn", "info")...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, "", fmt.Errorf("ask for backups: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	var list []stanza
	if err := json.Unmarshal(out, &list); err != nil {
		return 0, "", fmt.Errorf("read the list of backups: %w", err)
	}
	for _, s := range list {
		if n := len(s.Backup); s.Name == m.s.Stanza && n > 0 {
			return s.Backup[n-1].Info.Size, s.Backup[n-1].Label, nil
		}
		if s.Name == m.s.Stanza {
			return 0, "", errors.New("no backup of stanza " + m.s.Stanza + ": " + s.Status.Message)
		}
	}
	return 0, "", errors.New("no stanza " + m.s.Stanza + " in the repository")
}

// restored is the end of a line about a file: "(8KB, 12.34%)", with or without
// the checksum after it.
var restored = regexp.MustCompile(`\((?:[^()]*, )?(\d+(?:\.\d+)?)%\)`)

// Run implements sdk.Builder.
func (m method) Run(ctx context.Context, b sdk.Build, p *sdk.Progress) error {
	total, label, err := m.newest(ctx)
	if err != nil {
		return err
	}
	args := m.args("--pg1-path="+b.DataDir, "--log-level-console=detail", "--log-level-stderr=off")
	if m.s.Delta {
		args = append(args, "--delta")
	}
	if m.kind != "" {
		args = append(args, "--type="+m.kind)
	}
	for _, o := range b.Options {
		args = append(args, "--"+o.Key+"="+o.Value)
	}
	args = append(append(args, m.s.Args...), "restore")
	p.Report("restore", 0, total, "backup "+label)
	last := ""
	err = tool.Run(ctx, tool.Tool{Path: m.s.Command, Args: args, Env: os.Environ(), Line: func(text string) {
		if f := restored.FindStringSubmatch(text); f != nil {
			percent, _ := strconv.ParseFloat(f[1], 64)
			p.Report("restore", int64(percent*float64(total)/100), total, "backup "+label)
			return
		}
		if text != last {
			slog.Debug(text)
		}
		last = text
	}})
	if err == nil {
		p.Report("done", total, total, "restored backup "+label)
	}
	return err
}
