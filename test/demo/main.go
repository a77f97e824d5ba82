package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	root, err := repository()
	if err != nil {
		return err
	}
	d := &demo{root: root, dir: filepath.Join(root, ".demo"), out: os.Stdout}
	if len(args) == 2 {
		if d.dir, err = filepath.Abs(args[1]); err != nil {
			return fmt.Errorf("find %s: %w", args[1], err)
		}
		args = args[:1]
	}
	switch {
	case len(args) == 1 && args[0] == "up":
		return d.up(ctx)
	case len(args) == 1 && args[0] == "down":
		return d.down()
	}
	return errors.New("usage: demo up|down [DIRECTORY]")
}

// repository is the nearest directory upwards that has a go.mod.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find working directory: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("run this inside the repository")
		}
		dir = parent
	}
}
