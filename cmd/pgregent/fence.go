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
	"reflect"
	"slices"
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

// goodbyeLimit bounds the fence's tries to close the session of its agent, by
// each way to the servers; after it the session ends by its own timeout.
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
		CloseSession: func(session int64) error { return closeSession(path, local, state, session) },
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
// it, and no later fence arm anything for it. What cannot be noted is not done,
// and nothing is noted that cannot be tried.
func closeSession(path string, local *config.Local, state *stateDir, session int64) error {
	sess := state.loadSession()
	if sess == nil || sess.ID != session {
		return errors.New("the session is not known any more; it has ended, or ends by its timeout")
	}
	ways, err := waysToServers(path, local.ZooKeeper)
	if err != nil {
		return fmt.Errorf("%w; the session ends by its timeout", err)
	}
	if err := state.saveSpent(session); err != nil {
		return fmt.Errorf("%w; the session ends by its timeout", err)
	}
	state.dropSession()
	var errs []error
	for _, servers := range ways {
		ctx, cancel := context.WithTimeout(context.Background(), goodbyeLimit)
		errs = append(errs, zkdcs.CloseSession(ctx, servers, *sess, slog.New(slog.DiscardHandler)))
		cancel()
	}
	if slices.Contains(errs, nil) {
		return nil
	}
	return errors.Join(errs...)
}

// waysToServers is how the agent reaches ZooKeeper by the configuration as it
// stands now, and by old, with which the fence was started, if that differs:
// an agent takes changes up at its restart, which the fence outlives, or has
// not taken them up yet. The environment is the one of the fence's start. At
// least one way can be used, or there is an error.
func waysToServers(path string, old config.ZooKeeper) ([]zkdcs.Access, error) {
	sections := []config.ZooKeeper{old}
	if local, _, err := config.Load(path, os.Environ()); err == nil && !reflect.DeepEqual(local.ZooKeeper, old) {
		sections = []config.ZooKeeper{local.ZooKeeper, old}
	}
	var ways []zkdcs.Access
	var errs []error
	for _, section := range sections {
		servers, err := ensemble.Access(section, nil)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ways = append(ways, servers)
	}
	if len(ways) == 0 {
		return nil, errors.Join(errs...)
	}
	return ways, nil
}

// lowerOOMScore asks the kernel to spare this process; only root may.
func lowerOOMScore() {
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0) // what is not permitted is done without
}
