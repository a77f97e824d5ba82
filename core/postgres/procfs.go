package postgres

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is USER_HZ, the unit of start times in /proc: 100 per second on
// every Linux architecture that PostgreSQL is packaged for.
const clockTick = 10 * time.Millisecond

// process is one row of the process table.
type process struct {
	pid, ppid int
	// state is the letter of /proc/<pid>/stat; Z and X are dead.
	state byte
	// ticks is the start time in clock ticks since boot. With the pid it
	// identifies a process.
	ticks uint64
}

func (p process) dead() bool { return p.state == 'Z' || p.state == 'X' }

// readProcess reads /proc/<pid>/stat.
func readProcess(pid int) (process, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	return parseStat(pid, text)
}

// parseStat reads the fields after the command name, which may itself hold
// blanks and parentheses.
func parseStat(pid int, text []byte) (process, error) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return process{}, fmt.Errorf("parse stat of process %d", pid)
	}
	f := strings.Fields(string(text[end+1:]))
	const ppid, start = 1, 19 // fields 4 and 22 of proc(5)
	if len(f) <= start || f[0] == "" {
		return process{}, fmt.Errorf("parse stat of process %d", pid)
	}
	parent, err := strconv.Atoi(f[ppid])
	if err != nil {
		return process{}, fmt.Errorf("parse stat of process %d: %w", pid, err)
	}
	ticks, err := strconv.ParseUint(f[start], 10, 64)
	if err != nil {
		return process{}, fmt.Errorf("parse stat of process %d: %w", pid, err)
	}
	return process{pid: pid, ppid: parent, state: f[0][0], ticks: ticks}, nil
}

// processes lists the live processes. Those that end meanwhile are left out.
func processes() ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var list []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, err := readProcess(pid); err == nil && !p.dead() {
			list = append(list, p)
		}
	}
	return list, nil
}

// inDirectory reports that the process is a postgres whose working directory
// is dir (resolved). Only links of /proc are read: the check works while the
// storage under dir hangs.
func inDirectory(pid int, dir string) bool {
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	return err == nil && dir != "" && strings.TrimSuffix(cwd, " (deleted)") == dir && isPostgres(pid)
}

// isPostgres reports that the executable is called postgres, also after it
// was replaced by an upgrade.
func isPostgres(pid int) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && filepath.Base(strings.TrimSuffix(exe, " (deleted)")) == "postgres"
}

// startedAt is the wall-clock start time of a process, to about a second.
func startedAt(p process) (time.Time, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, fmt.Errorf("read boot time: %w", err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if value, ok := strings.CutPrefix(line, "btime "); ok {
			boot, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err != nil {
				return time.Time{}, fmt.Errorf("read boot time: %w", err)
			}
			return time.Unix(boot, 0).Add(time.Duration(p.ticks) * clockTick), nil
		}
	}
	return time.Time{}, fmt.Errorf("read boot time: no btime in /proc/stat")
}

// voluntarySwitches is how often a process has gone to sleep.
func voluntarySwitches(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the state of process %d: %w", pid, err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if value, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			if err != nil {
				return 0, fmt.Errorf("read the state of process %d: %w", pid, err)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("the state of process %d has no count of switches", pid)
}
