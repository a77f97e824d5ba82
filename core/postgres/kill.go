package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Kill sends SIGKILL to every process of the instance: the postmaster, its
// children, and orphans of a dead postmaster, which can go on committing. It
// returns when the signals are queued; on hung storage the processes may end
// much later. It reads nothing but /proc unless the postmaster is not known
// yet.
func (s *Server) Kill() error {
	pm := s.find()
	if err := killAll(s.resolvedDir(), pm); err != nil {
		return fmt.Errorf("kill PostgreSQL: %w", err)
	}
	return nil
}

// killAll stops pm (nil: there is none), so that it starts nothing new, then
// kills its children and every server process in dir, then pm, and looks
// again until there is nobody new.
func killAll(dir string, pm *postmaster) error {
	var errs []error
	if pm != nil {
		errs = append(errs, pm.signal(unix.SIGSTOP))
	}
	killed := map[process]bool{}
	const rounds = 10 // each round finds only what was forked during the last
	for range rounds {
		found, err := killRound(dir, pm, killed)
		errs = append(errs, err)
		if pm != nil {
			errs = append(errs, pm.signal(unix.SIGKILL))
		}
		if found == 0 {
			return errors.Join(errs...)
		}
	}
	return errors.Join(append(errs, errors.New("new processes appear all the time"))...)
}

// killRound kills what was not killed before and returns how many these were.
func killRound(dir string, pm *postmaster, killed map[process]bool) (found int, err error) {
	list, err := processes()
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, p := range list {
		mine := pm != nil && (p.ppid == pm.proc.pid || p.pid == pm.proc.pid)
		if !mine && !inDirectory(p.pid, dir) {
			continue
		}
		key := process{pid: p.pid, ticks: p.ticks}
		if killed[key] || (pm != nil && p.pid == pm.proc.pid) {
			continue
		}
		killed[key] = true
		found++
		if err := unix.Kill(p.pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("kill process %d: %w", p.pid, err))
		}
	}
	return found, errors.Join(errs...)
}

// killAndWait is killAll, and the wait until no process is left.
func killAndWait(ctx context.Context, dir string, pm *postmaster) error {
	if err := killAll(dir, pm); err != nil {
		return err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		left, err := remaining(dir)
		if err != nil || left == 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d server processes do not end: %w", left, context.Cause(ctx))
		}
	}
}

// remaining counts the live server processes in dir.
func remaining(dir string) (int, error) {
	list, err := processes()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, p := range list {
		if inDirectory(p.pid, dir) {
			n++
		}
	}
	return n, nil
}
