package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pgregent/pgregent/cmd/ensemble"
	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
	"github.com/pgregent/pgregent/core/fence"
	"github.com/pgregent/pgregent/core/lease"
	"github.com/pgregent/pgregent/core/postgres"
	"github.com/pgregent/pgregent/observability"
	"github.com/pgregent/pgregent/zkdcs"
)

// goodbyeLimit bounds the fence's tries to close the session of its agent;
// after it the session ends by its own timeout.
const goodbyeLimit = 10 * time.Second

// fenceProcess is the agent's view of its fence.
type fenceProcess struct{ *fence.Client }

// newFence returns the fence of that configuration; nil if it wants none.
func newFence(path string, local *config.Local, lost func()) *fenceProcess {
	spawn := func() error { return spawnFence(path, local.StateDir) }
	return &fenceProcess{fence.NewClient(local.StateDir, spawn, lost)}
}

// Connect returns what the fence has armed.
func (f *fenceProcess) Connect(ctx context.Context) (cluster.Epoch, lease.Instant, error) {
	reply, err := f.Client.Connect(ctx)
	if err != nil || !reply.Armed {
		return 0, 0, err
	}
	return reply.Epoch, reply.Hard, nil
}

// spawnFence runs this program again as the fence, in a session of its own:
// what ends the agent must not end it.
func spawnFence(path, stateDir string) error {
	args := []string{"fence"}
	if path != "" {
		abs, err := filepath.Abs(path)
		if err != nil {
			return fmt.Errorf("find configuration: %w", err)
		}
		args = append(args, abs)
	}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = "pgregent"
	cmd.Dir, cmd.Stdout, cmd.Stderr = stateDir, os.Stderr, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // reaps it, should this process live longer
	return nil
}

// runFence is the life of the fence process.
func runFence(path string) error {
	// It ends when its agent is gone and PostgreSQL is safe, not before.
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE, syscall.SIGUSR1, syscall.SIGUSR2)
	local, _, err := config.Load(path, os.Environ())
	if err != nil {
		return err
	}
	pg, _ := local.Postgres(nil)
	dir := postgres.ResolveDirectory(pg.DataDir)
	state := &stateDir{dir: local.StateDir, dataDir: pg.DataDir, local: local}
	lowerOOMScore()
	log := observability.NewLogger(os.Stderr, local.Log.Level, local.Log.JSON).With("process", "fence")
	return fence.Serve(fence.Options{
		StateDir: local.StateDir, Wait: local.Fence.TakeoverWait, Spent: state.loadSpent(),
		Kill:         func() error { return postgres.KillDirectory(dir) },
		CloseSession: func(session int64) error { return closeSession(local, state, session) },
		Tell: func(what string, err error) {
			noteKill(local.StateDir, what)
			if err != nil {
				log.Warn(what, "err", err)
				return
			}
			log.Info(what)
		},
	})
}

// closeSession ends the session that the killed-for agent had. That is noted
// first: its end may take effect at any later moment, so no agent may resume
// it, and no later fence arm anything for it. What cannot be noted is not done.
func closeSession(local *config.Local, state *stateDir, session int64) error {
	sess := state.loadSession()
	if sess == nil || sess.ID != session {
		return errors.New("the session is not known any more; it has ended, or ends by its timeout")
	}
	if err := state.saveSpent(session); err != nil {
		return fmt.Errorf("%w; the session ends by its timeout", err)
	}
	state.dropSession()
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeLimit)
	defer cancel()
	servers, err := ensemble.Access(local.ZooKeeper, nil)
	if err != nil {
		return fmt.Errorf("%w; the session ends by its timeout", err)
	}
	return zkdcs.CloseSession(ctx, servers, *sess, slog.New(slog.DiscardHandler))
}

// lowerOOMScore asks the kernel to spare this process; only root may.
func lowerOOMScore() {
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0) // what is not permitted is done without
}
