package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// leaveSignal asks the agent to end without stopping PostgreSQL, so that
	// another, of a new version, takes it over.
	leaveSignal = syscall.SIGUSR2
	// exitLeft is the exit code after that: EX_TEMPFAIL of sysexits.h, "try
	// again". The service manager starts the program anew.
	exitLeft = 75
	// tryLimit bounds the trial of the program that is to come.
	tryLimit = 20 * time.Second
)

// leaveOnSignal makes room for the program that is on disk now, if that one
// can read this node's configuration. Else this agent goes on: one that does
// not come back would cost the node its leadership.
func (n *node) leaveOnSignal(ctx context.Context, leave <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-leave:
		}
		if n.manager.program == "" {
			n.log.Error("asked to leave, but the program's path is not known; going on")
			continue
		}
		if err := tryProgram(ctx, n.manager.program, n.path); err != nil {
			n.log.Error("the program that is installed now cannot take over; going on", "err", err)
			continue
		}
		if err := n.agent.Leave(ctx); err != nil {
			n.log.Warn("leave", "err", err)
		}
	}
}

// tryProgram lets a program check the configuration as the next agent would
// read it.
func tryProgram(ctx context.Context, program, path string) error {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	args := []string{"--validate-config", "--ignore-listen-port"}
	if path != "" {
		args = append(args, path)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("try %s: %w: %s", program, err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}
