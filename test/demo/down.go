package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// How long a process may take after each signal. An agent stops its
// PostgreSQL in an orderly way first.
const (
	agentLimit    = 40 * time.Second
	postgresLimit = 10 * time.Second
	otherLimit    = 10 * time.Second
)

// down ends everything that up started and removes .demo.
func (d *demo) down() error {
	s, err := d.load()
	if err != nil {
		return err
	}
	if s == nil {
		fmt.Fprintln(d.out, "No demonstration runs.")
	} else {
		d.stop(s)
	}
	if err := d.remove(); err != nil {
		return err
	}
	if s != nil {
		fmt.Fprintln(d.out, "The demonstration has been ended and removed.")
	}
	return nil
}

// stop ends the processes of s: HAProxy, the agents with their PostgreSQL,
// and last ZooKeeper, which the agents use to say goodbye.
func (d *demo) stop(s *state) {
	end(s.HAProxy.process, otherLimit, syscall.SIGTERM)
	var wg sync.WaitGroup
	for _, n := range s.Nodes {
		wg.Go(func() {
			end(n.process, agentLimit, syscall.SIGTERM)
			// An agent that was killed has left its PostgreSQL running.
			end(postmaster(n.DataDir), postgresLimit, syscall.SIGINT, syscall.SIGQUIT)
		})
	}
	wg.Wait()
	end(s.ZooKeeper.process, otherLimit, syscall.SIGTERM)
}

// end sends the signals one after another, each when limit has passed since
// the one before, and last SIGKILL.
func end(p process, limit time.Duration, signals ...syscall.Signal) {
	for _, s := range append(signals, syscall.SIGKILL) {
		p.signal(s)
		if p.waitGone(limit) {
			return
		}
	}
}

// postmaster is the server that runs on a data directory, the zero process
// if there is none: postmaster.pid names it, and its working directory is
// that directory.
func postmaster(dataDir string) process {
	text, err := os.ReadFile(filepath.Join(dataDir, "postmaster.pid"))
	if err != nil {
		return process{}
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid <= 0 {
		return process{}
	}
	p := process{Pid: pid, Started: startTime(pid)}
	if cwd, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/cwd"); err != nil || !sameDir(cwd, dataDir) {
		return process{}
	}
	return p
}

func sameDir(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(x, y)
}
