package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pgregent/pgregent/core/cluster"
	"github.com/pgregent/pgregent/core/config"
)

// defaultStartTimeout is pg_ctl's.
const defaultStartTimeout = 60 * time.Second

// Start writes the configuration and starts the server; it returns when
// connections are accepted. A server that is still on its way when the time
// is over goes on: Observe tells when it is ready.
func (s *Server) Start(ctx context.Context, o cluster.StartOptions) error {
	timeout := o.Timeout
	if timeout <= 0 {
		timeout = s.config().PgCtlTimeout
	}
	if timeout <= 0 {
		timeout = defaultStartTimeout
	}
	if s.restoring() != nil {
		timeout = restoreLimit
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not ready after %v", timeout))
	defer cancel()
	if pm := s.find(); pm != nil {
		err := s.joinRunning(ctx, pm, o)
		if pm.alive() {
			return err
		}
		s.postmasterExited(pm) // it went while we asked
	}
	s.enter(cluster.StateStarting)
	pm, err := s.launch(ctx, o)
	if err != nil {
		s.setPhase(cluster.StateStartFailed)
		return fmt.Errorf("start PostgreSQL: %w", s.withDisk(err))
	}
	if err := s.waitReady(ctx, pm); err != nil {
		if errors.Is(err, errExited) {
			err = s.withDisk(s.whyExited(pm))
			s.setPhase(cluster.StateStartFailed)
			s.postmasterExited(pm)
		}
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	s.setPhase(cluster.StateRunning)
	if err := saveConfig(s.config()); err != nil {
		s.log.Warn("configuration files not saved for base backups", slog.Any("err", err))
	}
	return nil
}

// joinRunning waits for a server that runs already, if it is what is wanted.
func (s *Server) joinRunning(ctx context.Context, pm *postmaster, o cluster.StartOptions) error {
	if err := s.waitReady(ctx, pm); err != nil {
		return fmt.Errorf("start PostgreSQL, which runs already: %w", err)
	}
	s.setPhase(cluster.StateRunning)
	recovering, err := s.inRecovery(ctx)
	if err != nil {
		return fmt.Errorf("start PostgreSQL, which runs already: %w", err)
	}
	if o.Standby && !recovering {
		return errors.New("start PostgreSQL as a standby: it runs already, as a primary")
	}
	if recovering && o.Standby && s.Wants(o.Upstream) {
		return s.Follow(ctx, o.Upstream)
	}
	return nil
}

// launch prepares the data directory and creates the postmaster. Orphans of
// an earlier one are killed before anything that can fail: they can go on
// committing.
func (s *Server) launch(ctx context.Context, o cluster.StartOptions) (*postmaster, error) {
	s.closeConnections()
	cfg := s.config()
	dir := s.resolvedDir()
	env, err := s.clearStrays(ctx, dir)
	if err != nil {
		return nil, err
	}
	if empty, problem := s.inspectData(); problem != "" {
		return nil, errors.New(problem)
	} else if empty || dir == "" {
		return nil, fmt.Errorf("data directory %s is empty or incomplete", cfg.DataDir)
	}
	major, err := majorVersion(dir)
	if err != nil {
		return nil, err
	}
	if err := supported(major); err != nil {
		return nil, err
	}
	if _, err := s.writeConf(ctx, role{standby: o.Standby, up: o.Upstream}); err != nil {
		return nil, err
	}
	restoring := s.restoring() != nil
	if !restoring { // else the method and the configuration have decided
		if err := writeSignals(dir, o.Standby); err != nil {
			return nil, err
		}
	}
	s.setFollowing(o.Standby, o.Upstream)
	// A leftover request would promote the server at once.
	if err := removeFiles(dir, "promote"); err != nil {
		return nil, err
	}
	if err := makeSocketDirs(cfg); err != nil {
		return nil, err
	}
	args, err := s.arguments(ctx, o.Standby || restoring)
	if err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil { // whoever gave the work up may have lost the lease
		return nil, err
	}
	return s.spawn(dir, args, env)
}

// clearStrays kills what an earlier postmaster left running and returns the
// environment that the new one needs besides.
func (s *Server) clearStrays(ctx context.Context, dir string) ([]string, error) {
	if dir == "" {
		return nil, nil // never there: nothing ran in it
	}
	file, found, err := readPidFile(dir)
	if found && file.Pid < 0 {
		if p, err := readProcess(-file.Pid); err == nil && !p.dead() && inDirectory(-file.Pid, dir) {
			return nil, fmt.Errorf("a single-user server (pid %d) works in the data directory", -file.Pid)
		}
	}
	if err := killAndWait(ctx, dir, nil); err != nil {
		return nil, err
	}
	if err == nil && found && file.Pid > 0 {
		if _, err := readProcess(file.Pid); err == nil {
			// The number in the stale pid file is a stranger's now, or that of a
			// killed postmaster which nobody has reaped yet (a slow init, a
			// container without one). The server believes the file unless it is
			// told that this is its ancestor.
			return []string{"PG_GRANDPARENT_PID=" + strconv.Itoa(file.Pid)}, nil
		}
	}
	return nil, nil
}

// makeSocketDirs creates the directories for sockets where they are missing.
func makeSocketDirs(cfg config.Postgres) error {
	list, _ := parameter(cfg.Parameters, "unix_socket_directories")
	for dir := range strings.SplitSeq(list, ",") {
		dir = strings.TrimSpace(dir)
		if !filepath.IsAbs(dir) {
			continue // "@name" or none
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("create socket directory: %w", err)
		}
	}
	return nil
}

// controlNames maps parameters that a standby must not have lower than the
// primary to their labels in the control data.
var controlNames = map[string]string{
	"max_connections":           "max_connections setting",
	"max_prepared_transactions": "max_prepared_xacts setting",
	"max_locks_per_transaction": "max_locks_per_xact setting",
	"max_worker_processes":      "max_worker_processes setting",
	"max_wal_senders":           "max_wal_senders setting",
}

// arguments is the postmaster's command line.
func (s *Server) arguments(ctx context.Context, standby bool) ([]string, error) {
	cfg := s.config()
	args := []string{"-D", cfg.DataDir, "--config-file=" + filepath.Join(configDir(cfg), "postgresql.conf")}
	known, err := s.knownParameters(ctx)
	if err != nil {
		return nil, err
	}
	var d controlData
	if standby {
		if d, err = s.controlData(ctx); err != nil {
			return nil, err
		}
	}
	for _, p := range cfg.Controlled {
		value := p.Value
		if g, ok := known[p.Name]; ok {
			if fit, _ := g.check(p); fit != nil {
				value = fit.Value // within the server's limits
			}
		}
		if label := controlNames[p.Name]; label != "" && standby {
			if n, err := strconv.ParseUint(value, 10, 64); err == nil && d.number(label) > n {
				value = strconv.FormatUint(d.number(label), 10)
				s.log.Info("value of the control file used, which is higher than the configured one",
					slog.String("parameter", p.Name), slog.String("value", value))
			}
		}
		args = append(args, "--"+p.Name+"="+value)
	}
	return args, nil
}

// spawn creates the postmaster in a session of its own, so that it survives
// this process, and takes hold of it.
func (s *Server) spawn(dir string, args, env []string) (*postmaster, error) {
	cmd := exec.Command(s.binary("postgres"), args...)
	cmd.Env = append(scrubbed(os.Environ()), env...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run postgres: %w", err)
	}
	reaped := make(chan string, 1)
	reap := func() {
		_ = cmd.Wait() // the state tells more
		reaped <- cmd.ProcessState.String()
	}
	proc, err := readProcess(cmd.Process.Pid)
	var pm *postmaster
	if err == nil {
		pm, err = s.hold(proc, dir, reaped)
	}
	go reap()
	if err != nil {
		return nil, errors.Join(err, cmd.Process.Signal(syscall.SIGQUIT))
	}
	return pm, nil
}

// waitReady returns when the server says in postmaster.pid that it is ready
// and one connection was accepted.
func (s *Server) waitReady(ctx context.Context, pm *postmaster) error {
	dir := s.resolvedDir()
	status := ""
	err := pm.waitFor(ctx, 0, func() bool {
		file, found, err := readPidFile(dir)
		if err != nil || !found || file.Pid != pm.proc.pid {
			return false
		}
		status = file.Status
		return status == "ready" || status == "standby"
	})
	if err != nil || status == "standby" { // up, but not to be connected to
		return err
	}
	var last error
	err = pm.waitFor(ctx, 20*time.Millisecond, func() bool {
		_, last = s.inRecovery(ctx)
		_, said := errors.AsType[*sqlError](last)
		return last == nil || said
	})
	if err != nil {
		return errors.Join(err, last)
	}
	if last != nil {
		s.log.Warn("server is ready but refuses this agent", slog.Any("err", last))
	}
	return nil
}

// inRecovery asks the running server.
func (s *Server) inRecovery(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	db, err := s.pool()
	if err != nil {
		return false, err
	}
	var recovering bool
	if err := db.QueryRowContext(ctx, "SELECT pg_catalog.pg_is_in_recovery()").Scan(&recovering); err != nil {
		return false, fmt.Errorf("ask for recovery: %w", translate(err))
	}
	return recovering, nil
}

// whyExited is what is known about a postmaster that exited by itself.
func (s *Server) whyExited(pm *postmaster) error {
	how := "exited"
	if pm.reaped != nil {
		select {
		case how = <-pm.reaped:
		case <-time.After(time.Second): // its reaper runs; this is only a text
		}
	}
	head, err := readControlHead(s.config().DataDir)
	if err != nil {
		return fmt.Errorf("%w (%s): %w", errExited, how, err)
	}
	return fmt.Errorf("%w before it was ready (%s); control file: %s, last checkpoint %s on timeline %d; see the server's log",
		errExited, how, head.State, head.Checkpoint, head.Timeline)
}
