package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// pidFile is the content of postmaster.pid.
type pidFile struct {
	Pid       int // negative: a single-user server
	Started   time.Time
	Port      int
	SocketDir string
	Listen    string // first of listen_addresses
	// Status is "starting", "stopping", "ready" or "standby" (up, but
	// hot_standby is off); "" before the server has written it.
	Status string
}

// parsePidFile reads as many lines as are there: the server appends them one
// after another while it starts.
func parsePidFile(text string) (pidFile, error) {
	lines := strings.Split(text, "\n")
	line := func(n int) string {
		if n <= len(lines) {
			return strings.TrimSpace(lines[n-1])
		}
		return ""
	}
	var p pidFile
	var err error
	if p.Pid, err = strconv.Atoi(line(1)); err != nil || p.Pid == 0 {
		return pidFile{}, fmt.Errorf("parse postmaster.pid: %q is not a process id", line(1))
	}
	if s := line(3); s != "" {
		sec, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return pidFile{}, fmt.Errorf("parse postmaster.pid: start time %q", s)
		}
		p.Started = time.Unix(sec, 0)
	}
	if s := line(4); s != "" {
		if p.Port, err = strconv.Atoi(s); err != nil {
			return pidFile{}, fmt.Errorf("parse postmaster.pid: port %q", s)
		}
	}
	p.SocketDir, p.Listen, p.Status = line(5), line(6), line(8)
	return p, nil
}

// readPidFile reads postmaster.pid; found is false if there is none.
func readPidFile(dataDir string) (p pidFile, found bool, err error) {
	text, err := os.ReadFile(filepath.Join(dataDir, "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return pidFile{}, false, nil
	}
	if err != nil {
		return pidFile{}, false, fmt.Errorf("read postmaster.pid: %w", err)
	}
	p, err = parsePidFile(string(text))
	return p, err == nil, err
}

// startTolerance is how far the start time in postmaster.pid may be from the
// process table's, whose boot time is rounded and moves when the clock is set.
const startTolerance = 3 * time.Second

// isPostmaster reports whether the live process that the pid file names is
// its writer, not a stranger that got the same number: a postgres that works
// in the data directory, or one that started when the file says.
func (p pidFile) isPostmaster(realDir string) (process, bool) {
	if p.Pid <= 0 || p.Pid == os.Getpid() || p.Pid == os.Getppid() {
		return process{}, false
	}
	proc, err := readProcess(p.Pid)
	if err != nil || proc.dead() {
		return process{}, false
	}
	if inDirectory(p.Pid, realDir) {
		return proc, true
	}
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", p.Pid)); err == nil && cwd != realDir {
		return process{}, false
	}
	at, err := startedAt(proc)
	return proc, err == nil && at.Sub(p.Started).Abs() <= startTolerance
}
